//! Who changes something: the viewer, the program they use, and what the settings say is kept of it.

use crate::{
    config::Settings,
    front::header,
    store::{
        Author,
        history::{Days, Keep},
    },
};

use super::Cx;

/// Letters of what a program calls itself.
const LONGEST: usize = 60;
/// Days that a time of PostgreSQL can be moved by.
const LONGEST_TIME: i32 = 36_500;

impl Cx {
    /// The author of what the request changes.
    #[must_use]
    pub fn author(&self) -> Author {
        let agent =
            self.headers.get(header::USER_AGENT).map(|agent| String::from_utf8_lossy(agent.as_bytes()));
        Author {
            principal_id: Some(self.viewer.principal.id),
            client: product(&agent.unwrap_or_default()),
            keep: keep(&self.settings),
        }
    }
}

/// What the settings say is kept of changes.
#[must_use]
pub fn keep(settings: &Settings) -> Keep {
    let history = &settings.history;
    Keep {
        versions: history.versions_days > 0,
        trash: history.trash_days > 0,
        fold: i32::try_from(history.fold_minutes.saturating_mul(60)).unwrap_or(i32::MAX),
        most: i64::try_from(*history.home_bytes).unwrap_or(i64::MAX),
    }
}

/// For how long.
#[must_use]
pub fn days(settings: &Settings) -> Days {
    let days = |days: u32| i32::try_from(days).unwrap_or(i32::MAX).min(LONGEST_TIME);
    Days { versions: days(settings.history.versions_days), trash: days(settings.history.trash_days) }
}

/// What a program calls itself (RFC 9110 §10.1.5), in short: of a browser, and of what says that it is one, the last product;
/// of others the first two; of none what is in brackets, or of another script.
fn product(agent: &str) -> String {
    let mut depth = 0_usize;
    let bare: String = agent
        .chars()
        .filter(|c| {
            match c {
                '(' => depth += 1,
                ')' => {
                    depth = depth.saturating_sub(1);
                    return false;
                }
                _ => {}
            }
            depth == 0 && (c.is_ascii_graphic() || *c == ' ')
        })
        .collect();
    let mut products = bare.split(' ').filter(|word| !word.is_empty());
    let first = products.next().unwrap_or_default();
    let product = if first.starts_with("Mozilla/") {
        products.next_back().unwrap_or(first).to_owned()
    } else {
        products.next().map_or_else(|| first.to_owned(), |second| format!("{first} {second}"))
    };
    product.chars().take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_program_is_kept_what_it_calls_itself() {
        for (agent, product_of_it) in [
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:115.0) Gecko/20100101 Thunderbird/115.3.1",
                "Thunderbird/115.3.1",
            ),
            ("DAVx5/4.3.9-ose (2023/10/11; dav4jvm; okhttp/4.11.0) Android/13", "DAVx5/4.3.9-ose Android/13"),
            ("macOS/14.0 (23A344) CalendarAgent/1086 x/1", "macOS/14.0 CalendarAgent/1086"),
            ("Evolution/3.46.4", "Evolution/3.46.4"),
            ("Mozilla/5.0", "Mozilla/5.0"),
            ("a (b (c) d", "a"),
            ("x)\u{1b}[31m\u{e9}\ty/1", "x[31my/1"),
            ("", ""),
        ] {
            assert_eq!(product(agent), product_of_it, "{agent}");
        }
        assert_eq!(product(&"x".repeat(5000)).len(), LONGEST);
    }

    #[test]
    fn nothing_is_kept_where_the_days_are_none() {
        let mut settings = Settings::default();
        assert!(keep(&settings).versions && keep(&settings).trash);
        (settings.history.versions_days, settings.history.trash_days) = (0, 0);
        assert!(!keep(&settings).anything());
        settings.history.fold_minutes = u32::MAX;
        assert_eq!(keep(&settings).fold, i32::MAX);
    }
}
