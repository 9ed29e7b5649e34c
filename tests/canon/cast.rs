//! The users of a transcript: names on paper, and the names nobody else uses that stand for them on the wire.

const NAMES: [&str; 5] = ["alice", "bob", "carol", "dave", "erin"];

/// The users of one transcript.
pub struct Cast {
    suffix: String,
}

impl Cast {
    /// Users whose names on the wire end in `-number`; a number is used once on a server.
    pub fn new(number: u64) -> Self {
        Self { suffix: format!("-{number:04}") }
    }

    /// The text with the names of the wire.
    pub fn dress(&self, text: &str) -> String {
        replace(text, "", &self.suffix)
    }

    /// The text with the names on paper.
    pub fn undress(&self, text: &str) -> String {
        replace(text, &self.suffix, "")
    }
}

/// Puts `new` for `old` behind each name that stands as a word of its own, in any case of letters.
fn replace(text: &str, old: &str, new: &str) -> String {
    let (mut out, mut at) = (String::with_capacity(text.len()), 0);
    while let Some(c) = text[at..].chars().next() {
        let starts = !text[..at].ends_with(|c: char| c.is_ascii_alphanumeric());
        let name = NAMES.iter().map(|n| n.len()).zip(NAMES).find(|(length, name)| {
            text.get(at..at + length).is_some_and(|word| word.eq_ignore_ascii_case(name))
                && text[at + length..]
                    .strip_prefix(old)
                    .is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_alphanumeric()))
        });
        match name {
            Some((length, _)) if starts => {
                out.push_str(&text[at..at + length]);
                out.push_str(new);
                at += length + old.len();
            }
            _ => {
                out.push(c);
                at += c.len_utf8();
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::Cast;

    #[test]
    fn names_are_dressed_and_undressed_as_words() {
        let cast = Cast::new(17);
        let paper = "/dav/alice/bob.ics Alice <alice@example.com> malice bobby caroline ü alice";
        let wire = cast.dress(paper);
        assert_eq!(
            wire,
            "/dav/alice-0017/bob-0017.ics Alice-0017 <alice-0017@example.com> malice bobby caroline ü alice-0017"
        );
        assert_eq!(cast.undress(&wire), paper);
        assert_eq!(Cast::new(1).undress("alice-0017 alice-0001"), "alice-0017 alice");
    }
}
