//! Which texts in a header can be names: what is read is one line that looks like what it is.

use unicode_normalization::UnicodeNormalization;

/// The most bytes of a name.
const LONGEST: usize = 255;

/// The value as text in Unicode's composed form (NFC), if every character of it can be seen and stands where it is
/// seen; else what is wrong.
pub(super) fn visible(value: &[u8]) -> Result<String, &'static str> {
    let text = std::str::from_utf8(value).map_err(|_| "a value that is not UTF-8")?;
    let text: String = text.nfc().collect();
    if text.len() > LONGEST {
        return Err("a value that is too long");
    }
    if text.starts_with(' ') || text.ends_with(' ') {
        return Err("a value with a space at an end");
    }
    if text.chars().any(is_hidden) {
        return Err("a value with a control, invisible or direction-changing character");
    }
    Ok(text)
}

/// A user's name: visible text that is no path and no list.
pub(super) fn name(value: &[u8]) -> Result<String, &'static str> {
    let text = visible(value)?;
    match text.as_str() {
        "." | ".." => Err("a name that is a path"),
        // An intermediary may join two headers of one name by a comma: two users are nobody.
        text if text.contains(',') => Err("a name that is a list"),
        text if text.contains(['/', '\\']) || has_escape(text) => Err("a name that is a path"),
        // Apache writes this where nobody is signed in.
        "(null)" => Err("a name that stands for nobody"),
        _ => Ok(text),
    }
}

/// The one form of a user's name: composed, and in lower case where case says nothing.
#[must_use]
pub fn folded(name: &str, fold_case: bool) -> String {
    let composed: String = name.nfc().collect();
    if fold_case { composed.to_lowercase().nfc().collect() } else { composed }
}

/// Whether a percent sign and two digits stand for another character, in case somebody decodes them.
fn has_escape(text: &str) -> bool {
    text.as_bytes().windows(3).any(|w| w[0] == b'%' && w[1].is_ascii_hexdigit() && w[2].is_ascii_hexdigit())
}

/// An e-mail address: visible text without spaces, one `@`, something on both sides of it; in lower case.
pub fn address(value: &[u8]) -> Result<String, &'static str> {
    let text = visible(value)?.to_lowercase();
    let plain =
        |part: &str| !part.is_empty() && !part.contains(['@', ' ', ',', ';', '<', '>', '"', ':', '/', '\\']);
    match text.split_once('@') {
        Some((local, domain)) if plain(local) && plain(domain) => Ok(text),
        _ => Err("an e-mail address that is none"),
    }
}

/// Controls, spaces that are not the space, characters without a shape (Unicode's `Default_Ignorable_Code_Point` and
/// some blanks) and those that turn the direction of what follows.
fn is_hidden(character: char) -> bool {
    let code = u32::from(character);
    character.is_control()
        || (character.is_whitespace() && character != ' ')
        || HIDDEN.iter().any(|&(first, last)| (first..=last).contains(&code))
        || code & 0xfffe == 0xfffe
}

const HIDDEN: &[(u32, u32)] = &[
    (0x00ad, 0x00ad),       // soft hyphen
    (0x034f, 0x034f),       // combining grapheme joiner
    (0x061c, 0x061c),       // Arabic letter mark
    (0x115f, 0x1160),       // Hangul fillers
    (0x17b4, 0x17b5),       // Khmer inherent vowels
    (0x180b, 0x180f),       // Mongolian selectors and vowel separator
    (0x200b, 0x200f),       // zero width, direction marks
    (0x2028, 0x202e),       // line and paragraph ends, embeddings and overrides
    (0x2060, 0x206f),       // joiners, invisible operators, isolates
    (0x2800, 0x2800),       // blank Braille pattern
    (0x3164, 0x3164),       // Hangul filler
    (0xe000, 0xf8ff),       // private use
    (0xfdd0, 0xfdef),       // no characters
    (0xfe00, 0xfe0f),       // variation selectors
    (0xfeff, 0xfeff),       // byte order mark
    (0xffa0, 0xffa0),       // half-width Hangul filler
    (0xfff0, 0xfffd),       // specials, replacement character
    (0x1bca0, 0x1bca3),     // shorthand format controls
    (0x1d173, 0x1d17a),     // musical format controls
    (0xe0000, 0xe0fff),     // tags, more selectors
    (0xf0000, 0x0010_ffff), // private use
];
