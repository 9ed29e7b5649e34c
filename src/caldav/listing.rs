//! Prints the tables, for people and for docs/compliance.md.

use crate::{
    config,
    dav::{condition, prop::Source},
    model::Kinds,
};

use super::registry::TABLES;

/// A table that can be printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Listing {
    /// The methods.
    Methods,
    /// The reports.
    Reports,
    /// The properties.
    Properties,
    /// The preconditions.
    Conditions,
    /// The tokens of the DAV header.
    Features,
    /// The settings.
    Settings,
}

/// The table as Markdown; all but the settings where none is named.
#[must_use]
pub fn print(table: Option<Listing>) -> String {
    use Listing::{Conditions, Features, Methods, Properties, Reports, Settings};
    match table {
        Some(Settings) => config::markdown(),
        Some(one) => section(one),
        None => {
            let head = "# What kalends implements\n\nPrinted by `kalends list`; do not edit.\n".to_owned();
            [Features, Methods, Reports, Properties, Conditions]
                .into_iter()
                .fold(head, |page, one| page + "\n" + &section(one))
        }
    }
}

fn section(table: Listing) -> String {
    match table {
        Listing::Methods => rows(
            ["Method", "On", "Defined in"],
            TABLES.methods.iter().map(|m| [m.verb.to_owned(), on(m.on), m.rfc.to_owned()]),
        ),
        Listing::Reports => rows(
            ["Report", "On", "Defined in"],
            TABLES.reports.iter().map(|r| [r.name.to_string(), on(r.on), r.rfc.to_owned()]),
        ),
        Listing::Properties => rows(
            ["Property", "On", "Set by", "Defined in"],
            TABLES.props.iter().copied().flatten().map(|p| {
                let by = match p.source {
                    Source::Stored(_) => "clients",
                    Source::Live(_) if p.at_creation => "clients, at creation",
                    Source::Live(_) | Source::Data => "the server",
                };
                [p.name.to_string(), on(p.on), by.to_owned(), p.rfc.to_owned()]
            }),
        ),
        Listing::Conditions => rows(
            ["Condition", "Status", "Defined in"],
            condition::ALL
                .iter()
                .map(|c| [c.name.to_string(), c.status.as_str().to_owned(), c.rfc.to_owned()]),
        ),
        Listing::Features => rows(
            ["Token of the DAV header", "On", "Defined in"],
            TABLES.features.iter().map(|f| [f.token.to_owned(), on(f.on), f.rfc.to_owned()]),
        ),
        Listing::Settings => config::markdown(),
    }
}

fn on(kinds: Kinds) -> String {
    if kinds == Kinds::ANY {
        return "everything".to_owned();
    }
    kinds.iter().map(crate::model::Kind::name).collect::<Vec<_>>().join(", ")
}

fn rows<const N: usize>(head: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let mut page = line(&head.map(str::to_owned)) + &"|---".repeat(N) + "|\n";
    rows.for_each(|row| page += &line(&row));
    page
}
