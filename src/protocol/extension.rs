//! The grammar of `Sec-WebSocket-Extensions`.
//!
//! RFC 6455, section 9.1: a list of extensions, each a token with parameters after semicolons; a
//! parameter is a token alone or with a value, which is a token or a quoted string that unescapes
//! to one.

use std::fmt;

use super::steps;
use super::token::{is_token_char, is_white_space};

/// One element of the header: an offer, or an extension that was accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extension {
    /// The registered name, such as `permessage-deflate`.
    pub name: String,
    /// The parameters in the order of the header; a name may come more than once.
    pub parameters: Vec<Parameter>,
}

/// One parameter of an extension.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameter {
    /// The name, as it was written.
    pub name: String,
    /// The value, unescaped; `None` where the name stands alone.
    pub value: Option<String>,
}

/// Why a `Sec-WebSocket-Extensions` header is refused. `Display` gives the texts of ws.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExtensionError {
    /// The byte at this index can't stand there.
    UnexpectedCharacter(usize),
    /// The header stops where something is due, or after white space.
    UnexpectedEnd,
}

impl fmt::Display for ExtensionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnexpectedCharacter(index) => write!(f, "Unexpected character at index {index}"),
            Self::UnexpectedEnd => f.write_str("Unexpected end of input"),
        }
    }
}

impl std::error::Error for ExtensionError {}

/// Parses the field value of `Sec-WebSocket-Extensions` into its elements, in order.
///
/// # Errors
///
/// [`ExtensionError`]; an empty header, or one with empty elements, is an error too.
pub fn parse(header: &str) -> Result<Vec<Extension>, ExtensionError> {
    let mut scanner = Scanner { header, bytes: header.as_bytes(), index: 0 };
    let mut extensions = Vec::new();
    loop {
        // White space may stand before every element but the first.
        let (name, mut delimiter) = scanner.token(extensions.is_empty(), b";,")?;
        let mut extension = Extension { name, parameters: Vec::new() };
        while delimiter == Some(b';') {
            let parameter;
            (parameter, delimiter) = scanner.parameter()?;
            extension.parameters.push(parameter);
        }
        extensions.push(extension);
        if delimiter.is_none() {
            return Ok(extensions);
        }
    }
}

/// Writes `extensions` as a field value of `Sec-WebSocket-Extensions`.
///
/// Names and values are written as they are: they have to be tokens, as those of [`parse`] are.
pub fn format(extensions: &[Extension]) -> String {
    let mut header = String::new();
    for extension in extensions {
        if !header.is_empty() {
            header.push_str(", ");
        }
        header.push_str(&extension.name);
        for parameter in &extension.parameters {
            header.push_str("; ");
            header.push_str(&parameter.name);
            if let Some(value) = &parameter.value {
                header.push('=');
                header.push_str(value);
            }
        }
    }
    header
}

/// Reads the header from left to right.
struct Scanner<'a> {
    header: &'a str,
    bytes: &'a [u8],
    /// Of the first byte not read yet.
    index: usize,
}

/// What ended a token or value; `None` at the end of the header.
type Delimiter = Option<u8>;

impl Scanner<'_> {
    fn peek(&self) -> Option<u8> {
        steps::count(1);
        self.bytes.get(self.index).copied()
    }

    fn unexpected<T>(&self) -> Result<T, ExtensionError> {
        Err(if self.index < self.bytes.len() {
            ExtensionError::UnexpectedCharacter(self.index)
        } else {
            ExtensionError::UnexpectedEnd
        })
    }

    /// Skips white space and tells whether there was any.
    fn skip_white_space(&mut self) -> bool {
        let start = self.index;
        while self.peek().is_some_and(is_white_space) {
            self.index += 1;
        }
        self.index > start
    }

    /// Reads token characters, at least one.
    fn characters(&mut self) -> Result<String, ExtensionError> {
        let start = self.index;
        while self.peek().is_some_and(is_token_char) {
            self.index += 1;
        }
        if self.index == start {
            return self.unexpected();
        }
        // ASCII, so what surrounds it is no part of a character.
        Ok(self.header[start..self.index].to_owned())
    }

    /// Reads what may stand between a token or value and its delimiter, and the delimiter.
    fn delimiter(&mut self, allowed: &[u8]) -> Result<Delimiter, ExtensionError> {
        let spaced = self.skip_white_space();
        match self.peek() {
            // White space belongs between elements: there is none at the end of the header.
            None if spaced => Err(ExtensionError::UnexpectedEnd),
            None => Ok(None),
            // `a =b` is not a parameter with a value.
            Some(byte) if allowed.contains(&byte) && !(byte == b'=' && spaced) => {
                self.index += 1;
                Ok(Some(byte))
            }
            Some(_) => self.unexpected(),
        }
    }

    fn token(
        &mut self,
        first: bool,
        delimiters: &[u8],
    ) -> Result<(String, Delimiter), ExtensionError> {
        if !first {
            self.skip_white_space();
        }
        let token = self.characters()?;
        Ok((token, self.delimiter(delimiters)?))
    }

    fn parameter(&mut self) -> Result<(Parameter, Delimiter), ExtensionError> {
        let (name, delimiter) = self.token(false, b";,=")?;
        if delimiter != Some(b'=') {
            return Ok((Parameter { name, value: None }, delimiter));
        }
        let value =
            if self.peek() == Some(b'"') { self.quoted_string()? } else { self.characters()? };
        Ok((Parameter { name, value: Some(value) }, self.delimiter(b";,")?))
    }

    /// Reads a quoted string. What it unescapes to is a token, so no other characters can stand in
    /// it and it is not empty.
    fn quoted_string(&mut self) -> Result<String, ExtensionError> {
        self.index += 1; // the opening quote
        let mut value = String::new();
        loop {
            match self.peek() {
                Some(b'"') if !value.is_empty() => break,
                Some(b'\\') => self.index += 1,
                _ => {}
            }
            match self.peek() {
                Some(byte) if is_token_char(byte) => value.push(char::from(byte)),
                _ => return self.unexpected(),
            }
            self.index += 1;
        }
        self.index += 1; // the closing quote
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parameter(name: &str, value: Option<&str>) -> Parameter {
        Parameter { name: name.to_owned(), value: value.map(str::to_owned) }
    }

    fn extension(name: &str, parameters: &[(&str, Option<&str>)]) -> Extension {
        Extension {
            name: name.to_owned(),
            parameters: parameters.iter().map(|&(name, value)| parameter(name, value)).collect(),
        }
    }

    #[test]
    fn parses_elements_and_parameters_in_order() {
        assert_eq!(parse("foo").unwrap(), [extension("foo", &[])]);
        assert_eq!(
            parse("foo;bar;baz=1;bar=2").unwrap(),
            [extension("foo", &[("bar", None), ("baz", Some("1")), ("bar", Some("2"))])]
        );
        assert_eq!(
            parse("foo,bar;baz,foo;baz").unwrap(),
            [
                extension("foo", &[]),
                extension("bar", &[("baz", None)]),
                extension("foo", &[("baz", None)])
            ]
        );
    }

    #[test]
    fn parses_quoted_values() {
        for (header, value) in [
            (r#"foo;bar="hi""#, "hi"),
            (r#"foo;bar="\0""#, "0"),
            (r#"foo;bar="b\a\z""#, "baz"),
            (r#"foo;bar="\b\a\z" "#, ""),
        ] {
            let parsed = parse(header);
            if value.is_empty() {
                assert_eq!(parsed.unwrap_err(), ExtensionError::UnexpectedEnd);
            } else {
                assert_eq!(parsed.unwrap(), [extension("foo", &[("bar", Some(value))])]);
            }
        }
    }

    #[test]
    fn skips_white_space_between_elements() {
        assert_eq!(
            parse("foo; bar\t; \tbaz=1\t ;  bar=\"1\"\t\t, \tqux\t ;norf").unwrap(),
            [
                extension("foo", &[("bar", None), ("baz", Some("1")), ("bar", Some("1"))]),
                extension("qux", &[("norf", None)])
            ]
        );
    }

    #[test]
    fn refuses_what_the_grammar_does_not_know() {
        for (header, index) in [
            // Empty names and values.
            (",", 0),
            (";", 0),
            ("foo,,", 4),
            ("foo,  ,", 6),
            ("foo;=", 4),
            ("foo; =", 5),
            ("foo;;", 4),
            ("foo; ;", 5),
            ("foo;bar=,", 8),
            ("foo;bar=\"\"", 9),
            // White space.
            (" foo", 0),
            ("\tfoo", 0),
            ("f oo", 2),
            ("foo;ba r", 7),
            ("foo;bar =", 8),
            ("foo;bar= ", 8),
            ("foo;bar=ba z", 11),
            // Characters.
            ("f@o", 1),
            ("f\\oo", 1),
            ("\"foo\"", 0),
            ("f\"oo\"", 1),
            ("foo=1", 3),
            ("foo;b@r", 5),
            ("foo;b\\ar", 5),
            ("foo;\"bar\"", 4),
            ("foo;b\"ar\"", 5),
            ("foo;bar=b@z", 9),
            ("foo;bar=b\\az ", 9),
            ("foo;bar=\"b@z\"", 10),
            ("foo;bar=\"baz;\"", 12),
            ("foo;bar=b\"az\"", 9),
            ("foo;bar=\"\\\\\"", 10),
            ("foo;bar=\"baz\"qux", 13),
            ("foo;bar=\"baz\" qux", 14),
            ("foo;bar=\"b\u{e9}\"", 10),
        ] {
            let error = parse(header).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("Unexpected character at index {index}"),
                "{header}"
            );
        }
    }

    #[test]
    fn refuses_a_header_that_stops_early() {
        for header in [
            "",
            "foo ",
            "foo\t",
            "foo,",
            "foo, ",
            "foo;",
            "foo;bar ",
            "foo;bar,",
            "foo;bar; ",
            "foo;bar=",
            "foo;bar=\"",
            "foo;bar=\"baz",
            "foo;bar=\"1\\",
            "foo;bar=\"baz\" ",
        ] {
            assert_eq!(
                parse(header).unwrap_err().to_string(),
                "Unexpected end of input",
                "{header}"
            );
        }
    }

    #[test]
    fn takes_steps_in_proportion_to_the_length() {
        let shapes: [fn(usize) -> String; 7] = [
            |count| (0..count).map(|i| format!("n{i}")).collect::<Vec<_>>().join(","),
            |count| vec!["n"; count].join(" , "),
            |count| format!("n{}", (0..count).map(|i| format!("; p{i}=1")).collect::<String>()),
            |count| format!("n{}", ";p".repeat(count)),
            |count| format!("n{},n", " ".repeat(count)),
            |count| format!("n;p=\"{}\"", "\\1".repeat(count)),
            |count| "n".repeat(count),
        ];
        for shape in shapes {
            steps::assert_linear(|count| {
                let header = shape(count);
                (header.len(), steps::taken(|| assert!(parse(&header).is_ok(), "{header}")))
            });
            // And where the last byte is wrong.
            steps::assert_linear(|count| {
                let header = shape(count) + "@";
                (header.len(), steps::taken(|| assert!(parse(&header).is_err())))
            });
        }
    }

    fn any_extension() -> impl Strategy<Value = Extension> {
        let token = "[!#$%&'*+.^_`|~0-9a-zA-Z-]{1,6}";
        let parameter =
            (token, prop::option::of(token)).prop_map(|(name, value)| Parameter { name, value });
        (token, prop::collection::vec(parameter, 0..4))
            .prop_map(|(name, parameters)| Extension { name, parameters })
    }

    proptest! {
        #[test]
        fn parses_what_was_formatted(extensions in prop::collection::vec(any_extension(), 1..5)) {
            prop_assert_eq!(parse(&format(&extensions)).unwrap(), extensions);
        }

        #[test]
        fn parses_values_however_quoted(value in "[!#$%0-9a-zA-Z]{1,8}", escapes: [bool; 8]) {
            let mut quoted = String::new();
            for (character, escape) in value.chars().zip(escapes) {
                if escape {
                    quoted.push('\\');
                }
                quoted.push(character);
            }
            let parsed = parse(&format!("foo; bar=\"{quoted}\"")).unwrap();
            prop_assert_eq!(parsed, [extension("foo", &[("bar", Some(&value))])]);
        }

        #[test]
        fn never_panics(header in "(?s)([ \t,;=\"\\\\ab]|.){0,40}") {
            if let Ok(extensions) = parse(&header) {
                prop_assert_eq!(parse(&format(&extensions)).unwrap(), extensions);
            }
        }
    }
}
