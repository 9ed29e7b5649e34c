//! How user names are spelt, and which are let in.

use crate::config;
use crate::front::text;

/// The one spelling of names.
#[derive(Debug)]
pub(super) struct Spelling {
    fold_case: bool,
    strip_domain: String,
    append_domain: String,
}

/// Names as settings list them: `*` stands for anything, or nothing.
#[derive(Debug)]
pub(super) struct Names(Vec<String>);

impl Spelling {
    pub(super) fn new(identity: &config::Identity) -> Self {
        Self {
            fold_case: identity.fold_case,
            strip_domain: identity.strip_domain.to_lowercase(),
            append_domain: identity.append_domain.to_lowercase(),
        }
    }

    /// A user's name as it was sent, read and spelt.
    pub(super) fn read(&self, value: &[u8]) -> Result<String, &'static str> {
        let name = self.spell(&text::name(value)?);
        if name.is_empty() || name.starts_with('@') {
            return Err("a user name without a name");
        }
        // What is left of a name without its domain must be one as well: `..@example.org` is none.
        text::name(name.as_bytes())
    }

    /// The one spelling of a user's name.
    pub(super) fn spell(&self, name: &str) -> String {
        let mut name = text::folded(name, self.fold_case);
        if let Some((local, domain)) = name.rsplit_once('@')
            && !self.strip_domain.is_empty()
            && domain.to_lowercase() == self.strip_domain
        {
            name.truncate(local.len());
        }
        if !self.append_domain.is_empty() && !name.contains('@') {
            name = format!("{name}@{}", self.append_domain);
        }
        name
    }

    /// Names of a setting, spelt like those of users.
    pub(super) fn names(&self, listed: &[String]) -> Names {
        Names(listed.iter().map(|name| self.spell(name)).collect())
    }
}

impl Names {
    /// What clients call themselves, in whatever letters.
    pub(super) fn agents(listed: &[String]) -> Self {
        Self(listed.iter().map(|agent| agent.to_ascii_lowercase()).collect())
    }

    /// Whether the list is empty.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a name is among them.
    pub(super) fn hold(&self, name: &str) -> bool {
        self.0.iter().any(|listed| fits(listed, name))
    }
}

/// Whether a kind of sign-in is among these, in whatever letters.
pub(super) fn is_among(kinds: &[String], kind: Option<&str>) -> bool {
    kind.is_some_and(|kind| kinds.iter().any(|listed| listed.eq_ignore_ascii_case(kind)))
}

/// The parts between stars must come in their order, the first at the start and the last at the end.
fn fits(listed: &str, name: &str) -> bool {
    let Some((start, rest)) = listed.split_once('*') else { return listed == name };
    let Some(mut name) = name.strip_prefix(start) else { return false };
    let (middle, end) = rest.rsplit_once('*').unwrap_or(("", rest));
    for part in middle.split('*').filter(|part| !part.is_empty()) {
        let Some((_, after)) = name.split_once(part) else { return false };
        name = after;
    }
    name.ends_with(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        for (listed, name, right) in [
            ("root", "root", true),
            ("root", "roots", false),
            ("service-account-*", "service-account-x", true),
            ("service-account-*", "service-account-", true),
            ("service-account-*", "a-service-account-x", false),
            ("*@example.org", "a@example.org", true),
            ("*@example.org", "a@example.org.evil.example", false),
            ("a*b*c", "a1b2c", true),
            ("a*b*c", "acb", false),
            ("a*a", "a", false),
            ("*", "anybody", true),
        ] {
            assert_eq!(fits(listed, name), right, "{listed} {name}");
        }
    }

    #[test]
    fn what_is_left_without_a_domain_is_a_name_still() {
        let identity = config::Identity { strip_domain: "example.org".into(), ..Default::default() };
        let spelling = Spelling::new(&identity);
        assert_eq!(spelling.read(b"alice@example.org"), Ok("alice".into()));
        for bad in
            ["..@example.org", ".@example.org", "alice @example.org", "(null)@example.org", "@example.org"]
        {
            assert!(spelling.read(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
