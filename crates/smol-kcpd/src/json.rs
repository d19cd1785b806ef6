//! A writer of JSON (RFC 8259). Reading it is left to others, and so is a library: serde_json for this is 40 kB on MIPS.

/// A text of JSON that is being written. Members and items are separated where that is needed.
#[derive(Debug, Default)]
pub(super) struct Json {
    pub(super) text: String,
}

impl Json {
    fn separate(&mut self) {
        if !matches!(self.text.as_bytes().last(), None | Some(b'{' | b'[' | b':')) {
            self.text.push(',');
        }
    }

    /// Begins an object or a list, the value of `key` unless that is empty.
    pub(super) fn open(&mut self, key: &str, bracket: char) {
        self.key(key);
        self.text.push(bracket);
    }

    pub(super) fn close(&mut self, bracket: char) {
        self.text.push(bracket);
    }

    fn key(&mut self, key: &str) {
        self.separate();
        if !key.is_empty() {
            push_string(&mut self.text, Some(key));
            self.text.push(':');
        }
    }

    pub(super) fn number(&mut self, key: &str, value: u64) {
        self.key(key);
        self.text.push_str(&value.to_string());
    }

    /// Writes several members; blanks are between their names.
    pub(super) fn numbers(&mut self, keys: &str, values: &[u64]) {
        keys.split(' ').zip(values).for_each(|(key, value)| self.number(key, *value));
    }

    /// `None` is written as `null`.
    pub(super) fn string(&mut self, key: &str, value: Option<&str>) {
        self.key(key);
        push_string(&mut self.text, value);
    }

    pub(super) fn boolean(&mut self, key: &str, value: bool) {
        self.key(key);
        self.text.push_str(if value { "true" } else { "false" });
    }
}

/// Writes a string, or `null`.
pub(super) fn push_string(text: &mut String, value: Option<&str>) {
    let Some(value) = value else { return text.push_str("null") };
    text.push('"');
    for c in value.chars() {
        match c {
            '"' | '\\' => text.extend(['\\', c]),
            // RFC 8259, section 7: what is below a blank is written as its number.
            '\0'..='\x1f' => text.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => text.push(c),
        }
    }
    text.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_something_in_json_is_escaped() {
        let mut text = String::new();
        push_string(&mut text, Some("a \"b\" \\ c\n\u{1f}\u{7f} é"));
        assert_eq!(text, "\"a \\\"b\\\" \\\\ c\\u000a\\u001f\u{7f} é\"");
        push_string(&mut text, None);
        assert!(text.ends_with("\"null"));
    }

    #[test]
    fn members_and_items_are_separated() {
        let mut json = Json::default();
        json.open("", '{');
        json.number("a", 1);
        json.open("b", '[');
        for empty in [false, true] {
            json.open("", '{');
            if !empty {
                json.string("c", None);
                json.boolean("d", true);
            }
            json.close('}');
        }
        json.close(']');
        json.open("e", '[');
        json.close(']');
        json.close('}');
        assert_eq!(json.text, r#"{"a":1,"b":[{"c":null,"d":true},{}],"e":[]}"#);
    }
}
