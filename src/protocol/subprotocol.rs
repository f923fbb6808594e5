//! The grammar of `Sec-WebSocket-Protocol`.

use std::collections::HashSet;
use std::fmt;
use std::hash::{Hash, Hasher};

use super::steps;
use super::token::{is_token_char, is_white_space};

/// Why a `Sec-WebSocket-Protocol` header is refused. `Display` gives the texts of ws.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubprotocolError {
    /// The byte at this index can't stand there.
    UnexpectedCharacter(usize),
    /// The header stops where a name is due, or after white space.
    UnexpectedEnd,
    /// This name is listed twice.
    Duplicated(String),
}

impl fmt::Display for SubprotocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnexpectedCharacter(index) => write!(f, "Unexpected character at index {index}"),
            Self::UnexpectedEnd => f.write_str("Unexpected end of input"),
            Self::Duplicated(name) => write!(f, "The \"{name}\" subprotocol is duplicated"),
        }
    }
}

impl std::error::Error for SubprotocolError {}

/// Parses the field value of `Sec-WebSocket-Protocol` into its names, in order.
///
/// RFC 6455, section 4.1: one or more tokens separated by commas, all of them different.
///
/// # Errors
///
/// [`SubprotocolError`]; an empty header, or one with empty elements, is an error too.
pub fn parse(header: &str) -> Result<Vec<&str>, SubprotocolError> {
    let mut names = Names::default();
    let mut start = None; // of the name being read
    let mut end = None; // of that name, once white space followed it

    for (index, byte) in header.bytes().enumerate() {
        steps::count(1);
        if end.is_none() && is_token_char(byte) {
            start.get_or_insert(index);
        } else if index > 0 && is_white_space(byte) {
            if start.is_some() {
                end.get_or_insert(index);
            }
        } else if let (b',', Some(from)) = (byte, start) {
            names.push(&header[from..end.unwrap_or(index)])?;
            start = None;
            end = None;
        } else {
            return Err(SubprotocolError::UnexpectedCharacter(index));
        }
    }

    match (start, end) {
        (Some(from), None) => names.push(&header[from..])?,
        _ => return Err(SubprotocolError::UnexpectedEnd),
    }
    Ok(names.ordered)
}

/// The names read so far. A peer chooses how many there are: whether one is there already is looked
/// up, not searched for.
#[derive(Default)]
struct Names<'a> {
    ordered: Vec<&'a str>,
    seen: HashSet<Name<'a>>,
}

impl<'a> Names<'a> {
    fn push(&mut self, name: &'a str) -> Result<(), SubprotocolError> {
        if !self.seen.insert(Name(name)) {
            return Err(SubprotocolError::Duplicated(name.to_owned()));
        }
        self.ordered.push(name);
        Ok(())
    }
}

/// A name that counts its comparisons.
struct Name<'a>(&'a str);

impl PartialEq for Name<'_> {
    fn eq(&self, other: &Self) -> bool {
        steps::count(self.0.len());
        self.0 == other.0
    }
}

impl Eq for Name<'_> {}

impl Hash for Name<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        steps::count(self.0.len());
        self.0.hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn keeps_the_order() {
        assert_eq!(parse("foo").unwrap(), ["foo"]);
        assert_eq!(parse("b,a,B").unwrap(), ["b", "a", "B"]);
        assert_eq!(parse("foo , bar\t, \tbaz\t ,  qux").unwrap(), ["foo", "bar", "baz", "qux"]);
    }

    #[test]
    fn refuses_what_the_grammar_does_not_know() {
        for (header, index) in [
            (",", 0),
            (" foo", 0),
            ("\tfoo", 0),
            ("foo,,", 4),
            ("foo,  ,", 6),
            ("f oo", 2),
            ("f@o", 1),
            ("f\\oo", 1),
            ("foo,b@r", 5),
            ("fo\u{e9}", 2),
        ] {
            let error = parse(header).unwrap_err();
            assert_eq!(error.to_string(), format!("Unexpected character at index {index}"));
        }
    }

    #[test]
    fn refuses_a_header_that_stops_early() {
        for header in ["", "foo ", "foo\t", "foo,", "foo, ", "foo,bar ", "foo,bar,"] {
            assert_eq!(parse(header).unwrap_err().to_string(), "Unexpected end of input");
        }
    }

    #[test]
    fn refuses_duplicates() {
        for header in ["foo,foo", "foo,bar,foo", "foo , foo , bar"] {
            let error = parse(header).unwrap_err();
            assert_eq!(error.to_string(), "The \"foo\" subprotocol is duplicated");
        }
    }

    #[test]
    fn takes_steps_in_proportion_to_the_length() {
        let names = |count| (0..count).map(|i| format!("n{i}")).collect::<Vec<_>>();
        steps::assert_linear(|count| {
            let header = names(count).join(",");
            (header.len(), steps::taken(|| assert_eq!(parse(&header).unwrap().len(), count)))
        });
        steps::assert_linear(|count| {
            let header = format!("{},n0", names(count).join(" ,"));
            (header.len(), steps::taken(|| assert!(parse(&header).is_err())))
        });
        steps::assert_linear(|count| {
            let header = format!("a{},b", " ".repeat(count));
            (header.len(), steps::taken(|| assert!(parse(&header).is_ok())))
        });
    }

    proptest! {
        #[test]
        fn parses_what_was_joined(
            names in prop::collection::hash_set("[!#$%&'*+.^_`|~0-9a-zA-Z-]{1,8}", 1..8),
            separator in "[ \t]{0,2},[ \t]{0,2}",
        ) {
            let names: Vec<String> = names.into_iter().collect();
            let header = names.join(&separator);
            prop_assert_eq!(parse(&header).unwrap(), names);
        }

        #[test]
        fn never_panics(header in "(?s)([ \t,a-c@\"]|.){0,40}") {
            if let Ok(names) = parse(&header) {
                prop_assert!(!names.is_empty());
                let header = names.join(",");
                prop_assert_eq!(parse(&header).unwrap(), names);
            }
        }
    }
}
