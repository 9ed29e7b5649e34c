//! Prints the tables, for people and for docs/compliance.md.

use crate::{
    config,
    dav::{condition, prop::Source},
    model::{Kind, Kinds},
};

use super::registry::TABLES;

/// The tables that can be printed.
pub const NAMES: [&str; 6] = ["features", "methods", "reports", "properties", "conditions", "settings"];

/// What stands above all tables.
const HEAD: &str = "# What kalends implements\n\nPrinted by `kalends list`; do not edit. What each RFC asks, section by \
                    section, and what shows it: [compliance/](compliance/).\n";

/// The table of that name as Markdown; all but the settings where none is named, nothing where none has the name.
#[must_use]
pub fn print(name: Option<&str>) -> String {
    match name {
        Some("settings") => config::markdown(),
        Some(name) => section(name),
        None => {
            let head = HEAD.to_owned();
            NAMES[..5].iter().fold(head, |page, name| page + "\n" + &section(name))
        }
    }
}

fn section(name: &str) -> String {
    match name {
        "features" => rows(
            ["Token of the DAV header", "On", "Defined in"],
            TABLES.features.iter().map(|f| [f.token.to_owned(), on(f.on), f.rfc.to_owned()]),
        ),
        "methods" => rows(
            ["Method", "On", "Defined in"],
            TABLES.methods.iter().map(|m| [m.verb.to_owned(), on(m.on), m.rfc.to_owned()]),
        ),
        "reports" => rows(
            ["Report", "On", "Defined in"],
            TABLES.reports.iter().map(|r| [r.name.to_string(), on(r.on), r.rfc.to_owned()]),
        ),
        "properties" => rows(
            ["Property", "On", "Set by", "Defined in"],
            TABLES.props.iter().copied().flatten().map(|p| {
                let by = match p.source {
                    Source::Stored(_) if p.protected != Kinds::ANY => "clients",
                    Source::Live(_) if p.at_creation => "clients, at creation",
                    Source::Live(_) if p.chooses.is_some() => "clients",
                    Source::Live(_) if p.protected != Kinds::ANY => "the server; of delegates, clients",
                    Source::Stored(_) | Source::Live(_) | Source::Data => "the server",
                };
                [p.name.to_string(), on(p.on), by.to_owned(), p.rfc.to_owned()]
            }),
        ),
        "conditions" => rows(
            ["Condition", "Status", "Defined in"],
            condition::ALL
                .iter()
                .map(|c| [c.name.to_string(), c.status.as_str().to_owned(), c.rfc.to_owned()]),
        ),
        _ => String::new(),
    }
}

fn on(kinds: Kinds) -> String {
    if kinds.or(Kind::FreeBusy.only()) == Kinds::ANY.or(Kind::FreeBusy.only()) {
        return "everything".to_owned();
    }
    if kinds == Kinds::NONE {
        return "nothing yet: refused, not kept".to_owned();
    }
    kinds.iter().map(crate::model::Kind::name).collect::<Vec<_>>().join(", ")
}

fn rows<const N: usize>(head: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let mut page = line(&head.map(str::to_owned)) + &"|---".repeat(N) + "|\n";
    rows.for_each(|row| page += &line(&row));
    page
}
