//! Reads JSON as RFC 8259 has it, and nothing else, for what `smol-kcpd` prints and browsers send.

use std::iter::Peekable;
use std::str::Chars;

#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    Null,
    Bool(bool),
    Number(u64),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Reads a whole text; panics where it is none.
    pub fn parse(text: &str) -> Json {
        let mut parser = Parser(text.chars().peekable());
        let value = parser.value();
        parser.blanks();
        assert_eq!(parser.0.next(), None, "something follows");
        value
    }

    pub fn get(&self, key: &str) -> &Json {
        let Json::Object(members) = self else { panic!("{self:?} has no {key}") };
        let mut found = members.iter().filter(|(name, _)| name == key);
        let (_, value) = found.next().unwrap_or_else(|| panic!("no {key}"));
        assert_eq!(found.next(), None, "{key} is there twice");
        value
    }

    pub fn text(&self) -> Option<&str> {
        match self {
            Json::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn list(&self) -> &[Json] {
        let Json::List(list) = self else { panic!("{self:?} is no list") };
        list
    }
}

struct Parser<'a>(Peekable<Chars<'a>>);

impl Parser<'_> {
    fn blanks(&mut self) {
        while self.0.next_if(|c| matches!(c, ' ' | '\t' | '\n' | '\r')).is_some() {}
    }

    fn value(&mut self) -> Json {
        self.blanks();
        match self.0.peek() {
            Some('{') => Json::Object(self.several('}', |parser| {
                parser.blanks();
                let key = parser.string();
                parser.blanks();
                assert_eq!(parser.0.next(), Some(':'), "behind {key}");
                (key, parser.value())
            })),
            Some('[') => Json::List(self.several(']', Parser::value)),
            Some('"') => Json::Text(self.string()),
            _ => self.word(),
        }
    }

    fn several<T>(&mut self, end: char, mut one: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let mut all = Vec::new();
        self.0.next();
        self.blanks();
        if self.0.next_if_eq(&end).is_some() {
            return all;
        }
        loop {
            all.push(one(self));
            self.blanks();
            match self.0.next() {
                Some(',') => {}
                other => {
                    assert_eq!(other, Some(end));
                    return all;
                }
            }
        }
    }

    fn string(&mut self) -> String {
        assert_eq!(self.0.next(), Some('"'));
        let mut text = String::new();
        loop {
            match self.0.next().expect("the end of a string") {
                '"' => return text,
                '\\' => text.push(match self.0.next() {
                    Some(c @ ('"' | '\\' | '/')) => c,
                    Some('n') => '\n',
                    Some('t') => '\t',
                    Some('u') => {
                        let digits: String = self.0.by_ref().take(4).collect();
                        let code = u32::from_str_radix(&digits, 16).expect("four digits");
                        char::from_u32(code).expect("a character of its own")
                    }
                    other => panic!("\\{other:?}"),
                }),
                c if c < ' ' => panic!("{c:?} in a string"),
                c => text.push(c),
            }
        }
    }

    fn word(&mut self) -> Json {
        let mut word = String::new();
        while let Some(c) = self.0.next_if(|c| c.is_ascii_alphanumeric()) {
            word.push(c);
        }
        match word.as_str() {
            "null" => Json::Null,
            "true" => Json::Bool(true),
            "false" => Json::Bool(false),
            number if number != "0" && number.starts_with('0') => panic!("{number}"),
            number => Json::Number(number.parse().unwrap_or_else(|_| panic!("{number}"))),
        }
    }
}
