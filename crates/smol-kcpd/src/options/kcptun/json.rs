//! kcptun's JSON file: one object (RFC 8259), whose members are texts, whole numbers and switches.
//!
//! Read here in a hundred lines: the smallest of the crates that do so (tinyjson, miniserde) are as large, know numbers as
//! floats or not the line of a mistake.

use std::iter::Peekable;
use std::str::Chars;

use super::parameters::Kind;

/// Lists and objects within each other: kcptun has none at all.
const DEPTH_MAX: u32 = 16;

/// One member of the object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    pub key: String,
    /// `None`: neither text nor number nor switch, so nothing that kcptun knows.
    pub value: Option<(Kind, String)>,
    pub line: usize,
}

/// What is wrong, and on which line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct JsonError {
    pub line: usize,
    pub what: String,
}

/// Reads the members of the one object that `text` is.
pub(super) fn members(text: &str) -> Result<Vec<Member>, JsonError> {
    let mut reader =
        Reader { chars: text.trim_start_matches('\u{feff}').chars().peekable(), line: 1 };
    let mut members = Vec::new();
    reader.blanks();
    reader.expect('{')?;
    reader.blanks();
    if reader.chars.next_if_eq(&'}').is_none() {
        loop {
            reader.blanks();
            let line = reader.line;
            let key = reader.string()?;
            reader.blanks();
            reader.expect(':')?;
            let value = reader.value(0)?;
            members.push(Member { key, value, line });
            reader.blanks();
            if reader.chars.next_if_eq(&',').is_none() {
                reader.expect('}')?;
                break;
            }
        }
    }
    reader.blanks();
    match reader.chars.next() {
        None => Ok(members),
        Some(c) => reader.fail(format!("{c:?} behind the end of the object")),
    }
}

struct Reader<'a> {
    chars: Peekable<Chars<'a>>,
    line: usize,
}

impl Reader<'_> {
    fn fail<T>(&self, what: impl Into<String>) -> Result<T, JsonError> {
        Err(JsonError { line: self.line, what: what.into() })
    }

    fn blanks(&mut self) {
        while let Some(c) = self.chars.next_if(|c| matches!(c, ' ' | '\t' | '\n' | '\r')) {
            self.line += usize::from(c == '\n');
        }
    }

    fn expect(&mut self, wanted: char) -> Result<(), JsonError> {
        match self.chars.next() {
            Some(c) if c == wanted => Ok(()),
            Some(c) => self.fail(format!("{c:?}: must be {wanted:?}")),
            None => self.fail(format!("the end of the file: must be {wanted:?}")),
        }
    }

    fn value(&mut self, depth: u32) -> Result<Option<(Kind, String)>, JsonError> {
        self.blanks();
        match self.chars.peek() {
            Some('"') => Ok(Some((Kind::Text, self.string()?))),
            Some('{' | '[') if depth >= DEPTH_MAX => self.fail("lists too deep in lists"),
            Some('{') => self.skip('}', depth, true),
            Some('[') => self.skip(']', depth, false),
            _ => self.word(),
        }
    }

    /// Reads a list or an object, of which nothing is needed.
    fn skip(
        &mut self,
        end: char,
        depth: u32,
        has_keys: bool,
    ) -> Result<Option<(Kind, String)>, JsonError> {
        self.chars.next();
        self.blanks();
        if self.chars.next_if_eq(&end).is_some() {
            return Ok(None);
        }
        loop {
            if has_keys {
                self.blanks();
                self.string()?;
                self.blanks();
                self.expect(':')?;
            }
            self.value(depth + 1)?;
            self.blanks();
            if self.chars.next_if_eq(&',').is_none() {
                self.expect(end)?;
                return Ok(None);
            }
        }
    }

    fn word(&mut self) -> Result<Option<(Kind, String)>, JsonError> {
        let mut word = String::new();
        while let Some(c) =
            self.chars.next_if(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '+' | '.'))
        {
            word.push(c);
        }
        match word.as_str() {
            "null" => Ok(None),
            "true" | "false" => Ok(Some((Kind::Switch, word))),
            // Without the library's floats, which are 15 kB: whoever takes it for a number says what is one.
            _ if word.starts_with(|c: char| c == '-' || c.is_ascii_digit())
                && word
                    .bytes()
                    .all(|c| matches!(c, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E')) =>
            {
                Ok(Some((Kind::Number, word)))
            }
            "" => match self.chars.peek().copied() {
                Some(c) => self.fail(format!("{c:?}: must be a value")),
                None => self.fail("the end of the file: must be a value"),
            },
            _ => self.fail(format!(
                "{word}: must be a text in quotation marks, a number, true or false"
            )),
        }
    }

    fn string(&mut self) -> Result<String, JsonError> {
        self.expect('"')?;
        let mut text = String::new();
        loop {
            match self.chars.next() {
                Some('"') => return Ok(text),
                Some('\\') => text.push(self.escaped()?),
                Some(c) if c < ' ' => {
                    return self.fail("a text ends on the line on which it begins")
                }
                Some(c) => text.push(c),
                None => return self.fail("a text without its second quotation mark"),
            }
        }
    }

    fn escaped(&mut self) -> Result<char, JsonError> {
        Ok(match self.chars.next() {
            Some(c @ ('"' | '\\' | '/')) => c,
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('u') => {
                let first = self.code()?;
                match first {
                    // A character beyond 16 bits is two of them (RFC 8259, section 7).
                    0xd800..=0xdbff => {
                        self.expect('\\')?;
                        self.expect('u')?;
                        let second = self.code()?.wrapping_sub(0xdc00);
                        let whole = 0x1_0000 + ((first - 0xd800) << 10) + second;
                        let found = char::from_u32(whole).filter(|_| second < 0x400);
                        return found.map_or_else(|| self.fail("half a character"), Ok);
                    }
                    first => {
                        return char::from_u32(first)
                            .map_or_else(|| self.fail("half a character"), Ok)
                    }
                }
            }
            Some(c) => {
                return self
                    .fail(format!("\\{c}: must be one of \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\u"))
            }
            None => return self.fail("a text without its second quotation mark"),
        })
    }

    fn code(&mut self) -> Result<u32, JsonError> {
        let digits: String = self.chars.by_ref().take(4).collect();
        let is_hex = digits.len() == 4 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        match u32::from_str_radix(&digits, 16) {
            Ok(code) if is_hex => Ok(code),
            _ => self.fail(format!("\\u{digits}: must have four digits of base 16")),
        }
    }
}
