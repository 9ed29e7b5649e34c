//! What the escapes of values and parameters mean.
//! RFC 5545 §3.3.11 (TEXT), RFC 6868 (parameters).

use std::borrow::Cow;

/// A TEXT value without its escapes; a backslash before any other character stays.
pub(super) fn text(value: Cow<'_, str>) -> Cow<'_, str> {
    replace(value, '\\', |next| match next {
        'n' | 'N' => Some('\n'),
        '\\' | ';' | ',' => Some(next),
        _ => None,
    })
}

/// A TEXT value with its escapes; of controls only line breaks have one, the others go.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => escaped.push_str("\\n"),
            '\\' | ';' | ',' => escaped.extend(['\\', c]),
            '\t' => escaped.push(c),
            c if c < ' ' => {}
            c => escaped.push(c),
        }
    }
    escaped
}

/// The TEXT values between separators that are not escaped, each without its escapes; at most so many.
pub(super) fn text_list(value: &str, separator: char, most: usize) -> Vec<String> {
    let mut values = vec![];
    let mut start = 0;
    let mut after_backslash = false;
    for (at, c) in value.char_indices() {
        if c == separator && !after_backslash && values.len() + 1 < most {
            values.push(text(Cow::Borrowed(&value[start..at])).into_owned());
            start = at + c.len_utf8();
        }
        after_backslash = c == '\\' && !after_backslash;
    }
    values.push(text(Cow::Borrowed(&value[start..])).into_owned());
    values
}

/// A parameter value without its circumflex escapes.
pub(super) fn parameter(value: Cow<'_, str>) -> Cow<'_, str> {
    replace(value, '^', |next| match next {
        'n' => Some('\n'),
        '^' => Some('^'),
        '\'' => Some('"'),
        _ => None,
    })
}

/// The values of a parameter's list, without their quotes, decoded.
pub(super) fn parameter_values(list: &str) -> impl Iterator<Item = Cow<'_, str>> {
    split_unquoted(list, b',').map(|value| {
        let bare = value.strip_prefix('"').and_then(|v| v.strip_suffix('"')).unwrap_or(value);
        parameter(Cow::Borrowed(bare))
    })
}

/// The pieces between separators that stand outside of quotes.
fn split_unquoted(list: &str, separator: u8) -> impl Iterator<Item = &str> {
    let mut rest = Some(list);
    std::iter::from_fn(move || {
        let text = rest?;
        let mut quoted = false;
        let cut = text.bytes().position(|b| {
            quoted ^= b == b'"';
            b == separator && !quoted
        });
        rest = cut.map(|at| &text[at + 1..]);
        Some(cut.map_or(text, |at| &text[..at]))
    })
}

fn replace(value: Cow<'_, str>, escape: char, meaning: impl Fn(char) -> Option<char>) -> Cow<'_, str> {
    if !value.contains(escape) {
        return value;
    }
    let mut plain = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        let decoded = if c == escape { chars.clone().next().and_then(&meaning) } else { None };
        if decoded.is_some() {
            chars.next();
        }
        plain.push(decoded.unwrap_or(c));
    }
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_escapes() {
        assert_eq!(text(r"a\, b\; c\\d\ne\Nf".into()), "a, b; c\\d\ne\nf");
        assert_eq!(text(r"C:\temp\".into()), r"C:\temp\");
        assert!(matches!(text("plain".into()), Cow::Borrowed("plain")));
    }

    #[test]
    fn text_lists() {
        assert_eq!(text_list(r"a\,b,c\\,d", ',', usize::MAX), ["a,b", r"c\", "d"]);
        assert_eq!(text_list("2.0;x;y;z", ';', 3), ["2.0", "x", "y;z"]);
        assert_eq!(text_list(&escaped("a,b;c\\\nd"), ',', usize::MAX), ["a,b;c\\\nd"]);
    }

    #[test]
    fn parameter_escapes_and_lists() {
        let values = |list| parameter_values(list).map(Cow::into_owned).collect::<Vec<_>>();
        assert_eq!(values(r#""a,b",c,,"""#), ["a,b", "c", "", ""]);
        assert_eq!(values("George ^'Babe^' Ruth^nx^^n^x^"), ["George \"Babe\" Ruth\nx^n^x^"]);
        assert_eq!(values(""), [""]);
    }
}
