//! What was found, in plain words: groups, a line for each finding, and under it the cure.

use std::collections::BTreeMap;
use std::fmt;

use super::judge::{Finding, Grade};
use super::table::{Attack, Group};

/// The proxy that is told how to mend itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Apache's httpd.
    Apache,
    /// nginx, or one of its kin.
    Nginx,
}

impl Kind {
    /// The kind that a Server header tells of.
    pub(super) fn of(server: &str) -> Option<Self> {
        let server = server.to_ascii_lowercase();
        let nginx = ["nginx", "openresty", "angie", "tengine"].iter().any(|name| server.contains(name));
        if nginx { Some(Self::Nginx) } else { server.contains("apache").then_some(Self::Apache) }
    }
}

impl std::str::FromStr for Kind {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "apache" => Ok(Self::Apache),
            "nginx" => Ok(Self::Nginx),
            _ => Err("apache or nginx".into()),
        }
    }
}

/// A row of the table that was tried, or not.
pub(super) struct Checked {
    pub(super) row: &'static Attack,
    pub(super) verdict: Verdict,
}

/// What came of a row.
pub(super) enum Verdict {
    Holds {
        asked: usize,
    },
    Found(Vec<Finding>),
    Unchecked(String),
    /// There is nothing here that it could be tried on.
    Moot,
}

/// Everything that was found.
pub struct Report {
    pub(super) site: String,
    /// None where neither the operator nor the proxy says.
    pub(super) kind: Option<Kind>,
    pub(super) user: Option<String>,
    pub(super) checked: Vec<Checked>,
}

const GROUPS: [Group; 5] = [Group::Identity, Group::Paths, Group::Clients, Group::Limits, Group::Transport];

/// Findings of one text: who shows it.
type Merged<'a> = BTreeMap<(Grade, &'a str), Vec<&'a str>>;

impl Report {
    /// Whether nothing was found.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        !self.checked.iter().any(|checked| matches!(checked.verdict, Verdict::Found(_)))
    }

    /// The names of the rows that found something.
    #[must_use]
    pub fn findings(&self) -> Vec<&'static str> {
        let found = self.checked.iter().filter(|checked| matches!(checked.verdict, Verdict::Found(_)));
        found.map(|checked| checked.row.name).collect()
    }

    /// The same for programs.
    #[must_use]
    pub fn json(&self) -> String {
        let rows: Vec<serde_json::Value> = self.checked.iter().map(|checked| self.row(checked)).collect();
        let kind = self.kind.map(|kind| format!("{kind:?}").to_lowercase());
        let report = serde_json::json!({
            "site": self.site, "kind": kind, "user": self.user, "clean": self.is_clean(), "checks": rows,
        });
        format!("{report:#}")
    }

    fn row(&self, checked: &Checked) -> serde_json::Value {
        let row = checked.row;
        let mut out = serde_json::json!({ "group": format!("{:?}", row.group), "name": row.name });
        match &checked.verdict {
            Verdict::Holds { asked } => {
                out["verdict"] = "ok".into();
                out["requests"] = (*asked).into();
            }
            Verdict::Unchecked(why) => {
                out["verdict"] = "unchecked".into();
                out["why"] = why.as_str().into();
            }
            Verdict::Moot => out["verdict"] = "moot".into(),
            Verdict::Found(findings) => {
                out["verdict"] = "found".into();
                let found = merged(findings).into_iter().map(|((grade, says), shown_by)| {
                    serde_json::json!({ "grade": word(grade), "says": says, "shown_by": shown_by })
                });
                out["findings"] = found.collect();
                out["cure"] = self.cures(row).into_iter().map(|(_, cure)| cure).collect();
            }
        }
        out
    }

    fn cures(&self, row: &'static Attack) -> Vec<(&'static str, &'static str)> {
        let (apache, nginx) = (("Apache", row.apache), ("nginx", row.nginx));
        match self.kind {
            Some(Kind::Apache) => vec![apache],
            Some(Kind::Nginx) => vec![nginx],
            None if row.apache == row.nginx => vec![("cure", row.nginx)],
            None => vec![apache, nginx],
        }
    }

    fn line(&self, checked: &Checked, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = checked.row;
        match &checked.verdict {
            Verdict::Holds { asked } => {
                writeln!(f, "  ok      {}: {} ({asked} requests)", row.name, row.holds)
            }
            Verdict::Unchecked(why) => writeln!(f, "  -       {}: not checked: {why}", row.name),
            Verdict::Moot => writeln!(f, "  -       {}: there is nothing here to try it on", row.name),
            Verdict::Found(findings) => {
                for ((grade, says), shown_by) in merged(findings) {
                    let (first, more) =
                        (shown_by.iter().take(SHOWN).copied(), shown_by.len().saturating_sub(SHOWN));
                    let mut by = first.collect::<Vec<_>>().join("; ");
                    if more > 0 {
                        by = format!("{by}; and {more} more");
                    }
                    writeln!(f, "  {:<7} {}: {says}\n          by: {by}", word(grade), row.name)?;
                }
                self.cures(row).into_iter().try_for_each(|(who, cure)| writeln!(f, "          {who}: {cure}"))
            }
        }
    }
}

/// Requests that are named with a finding.
const SHOWN: usize = 3;

fn merged(findings: &[Finding]) -> Merged<'_> {
    let mut merged = Merged::new();
    for finding in findings {
        merged.entry((finding.grade, &finding.says)).or_default().push(&finding.shown_by);
    }
    merged
}

fn word(grade: Grade) -> &'static str {
    match grade {
        Grade::Open => "OPEN",
        Grade::Weak => "WEAK",
        Grade::Breaks => "BREAKS",
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind =
            self.kind.map_or("a proxy that does not say what it is".into(), |kind| format!("{kind:?}"));
        let user =
            self.user.as_deref().map_or("nobody signed in".into(), |user| format!("signed in as {user}"));
        writeln!(f, "{} ({kind}), {user}", self.site)?;
        for group in GROUPS {
            writeln!(f, "\n{group:?}")?;
            for checked in self.checked.iter().filter(|checked| checked.row.group == group) {
                self.line(checked, f)?;
            }
        }
        let found = self.findings().len();
        let unchecked = self.checked.iter().filter(|c| matches!(c.verdict, Verdict::Unchecked(_))).count();
        let verdict = match (found, unchecked) {
            (0, 0) => "Nothing is open, and nothing would break a client.".to_owned(),
            (0, more) => format!("Nothing was found. {more} checks could not be made; their lines say why."),
            (some, _) => format!(
                "{some} checks found something. OPEN: somebody can be somebody else. WEAK: only kalends' own refusal stands \
                 between. BREAKS: a client would not work."
            ),
        };
        writeln!(f, "\n{verdict}")
    }
}
