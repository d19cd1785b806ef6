//! Files of UCI, as OpenWrt has them in /etc/config: `config TYPE 'NAME'`, `option KEY 'VALUE'`, `list KEY 'VALUE'`.

/// One section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Section {
    pub kind: String,
    pub name: Option<String>,
    /// Options and items of lists, with their lines.
    pub options: Vec<(String, String, usize)>,
    pub line: usize,
}

/// Reads the sections of a file.
///
/// # Errors
/// What is wrong, and on which line.
pub(super) fn sections(text: &str) -> Result<Vec<Section>, (usize, String)> {
    let mut sections: Vec<Section> = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let at = at + 1;
        let words =
            words(line).ok_or_else(|| (at, "a quotation mark without its second".into()))?;
        let mut words = words.into_iter();
        let Some(what) = words.next() else { continue };
        let (first, second, more) = (words.next(), words.next(), words.next());
        match (what.as_str(), first, second, more) {
            ("config", Some(kind), name, None) => {
                sections.push(Section { kind, name, options: Vec::new(), line: at });
            }
            ("option" | "list", Some(key), Some(value), None) => match sections.last_mut() {
                Some(section) => section.options.push((key, value, at)),
                None => {
                    return Err((at, format!("{what} {key} belongs into a section: config TYPE")))
                }
            },
            ("package", Some(_), None, None) => {}
            _ => {
                let text =
                    format!("{what}: must be config TYPE, option KEY VALUE or list KEY VALUE");
                return Err((at, text));
            }
        }
    }
    Ok(sections)
}

/// Splits a line at blanks outside of quotation marks; `#` begins a comment where a word might begin. `None`: a quotation
/// mark is never closed.
fn words(line: &str) -> Option<Vec<String>> {
    let (mut words, mut chars) = (Vec::new(), line.chars().peekable());
    loop {
        while chars.next_if(|c| c.is_whitespace()).is_some() {}
        match chars.peek() {
            None | Some('#') => return Some(words),
            Some(_) => {}
        }
        let mut word = String::new();
        while let Some(c) = chars.next_if(|c| !c.is_whitespace()) {
            match c {
                '\'' => loop {
                    match chars.next()? {
                        '\'' => break,
                        c => word.push(c),
                    }
                },
                '"' => loop {
                    match chars.next()? {
                        '"' => break,
                        '\\' => word.push(chars.next()?),
                        c => word.push(c),
                    }
                },
                '\\' => word.extend(chars.next()),
                c => word.push(c),
            }
        }
        words.push(word);
    }
}
