//! What a folder says of a calendar or a person in JSON: written by an export, read by an import.

use std::collections::HashSet;

use anyhow::Result;
use serde_json::{Value, json};

use crate::{
    db::Pool,
    model::{Component, Components, Privileges},
    store::{Ace, Answer, Grantee, Guest, Invite, Principal, Property, Sharee, principal},
    xml::{QName, parse},
};

/// What an export is recognised by.
pub const FORMAT: (&str, u64) = ("kalends", 1);
/// What says that it is what another server told: it takes the place of nothing that is here.
pub const FOREIGN: &str = "foreign";

/// The kinds of components, by their names.
pub fn components(kinds: Components) -> Value {
    kinds.iter().map(Component::name).collect()
}

/// The kinds of components that are named.
#[must_use]
pub fn read_components(value: &Value) -> Option<Components> {
    let kinds = value.as_array()?.iter().filter_map(|kind| Component::named(kind.as_str()?));
    let kinds: Components = kinds.collect();
    (!kinds.is_empty()).then_some(kinds)
}

/// Properties, each the whole of its element.
#[must_use]
pub fn properties(all: &[Property]) -> Value {
    all.iter().map(|p| json!({"namespace": &*p.name.ns, "name": &*p.name.local, "xml": p.value})).collect()
}

/// The properties that are told; what is no element is left out.
#[must_use]
pub fn read_properties(value: &Value) -> Vec<Property> {
    let read = |value: &Value| {
        let text = |key: &str| value.get(key)?.as_str();
        let (name, xml) = (QName::new(text("namespace")?, text("name")?), text("xml")?);
        let element = parse(xml.as_bytes()).ok()?;
        (*element.name() == name).then(|| Property { name, value: xml.to_owned() })
    };
    value.as_array().into_iter().flatten().filter_map(read).collect()
}

/// Entries of an access control list.
#[must_use]
pub fn aces(all: &[Ace]) -> Value {
    let entry = |ace: &Ace| {
        let (kind, name) = match &ace.grantee {
            Grantee::Principal(_, name) => ("person", name.as_str()),
            Grantee::Group(name) => ("group", name.as_str()),
            Grantee::Authenticated => ("authenticated", ""),
            Grantee::All => ("all", ""),
            Grantee::Owner => ("owner", ""),
        };
        json!({"to": kind, "name": name, "privileges": ace.privileges.bits()})
    };
    all.iter().map(entry).collect()
}

/// Who is invited; who is through groups alone will be again.
#[must_use]
pub fn invites(all: &[Invite]) -> Value {
    let invite = |invite: &Invite| {
        let (kind, name) = match &invite.sharee {
            Sharee::Person(_, name, _) => ("person", name.as_str()),
            Sharee::Group(name) => ("group", name.as_str()),
            Sharee::Stranger => ("address", ""),
        };
        json!({
            "to": kind, "name": name, "address": invite.address, "common_name": invite.common_name,
            "summary": invite.summary, "answer": answer(invite.answer), "privileges": invite.privileges.bits(),
        })
    };
    all.iter().filter(|one| !one.member).map(invite).collect()
}

/// What somebody said to an invite.
#[must_use]
pub const fn answer(answer: Answer) -> &'static str {
    match answer {
        Answer::Accepted => "accepted",
        Answer::Declined => "declined",
        Answer::None => "none",
    }
}

/// To whom something is granted or shared; those whom nobody knows here are told to `unknown`.
pub struct Reader<'a> {
    /// Where people are.
    pub pool: &'a Pool,
    /// Who would be there by now, were it no trial.
    pub coming: &'a HashSet<String>,
    /// Names that nobody has.
    pub unknown: Vec<String>,
}

impl Reader<'_> {
    async fn grantee(&mut self, value: &Value) -> Result<Option<Grantee>> {
        let name = value["name"].as_str().unwrap_or_default();
        Ok(match value["to"].as_str().unwrap_or_default() {
            "person" => {
                let found = principal::by_name(self.pool, name).await?;
                if found.is_none() && !self.coming.contains(name) {
                    self.unknown.push(name.to_owned());
                }
                found.map(|Principal { id, name, .. }| Grantee::Principal(id, name))
            }
            // Who is here by now is no stranger.
            "address" => match value["address"].as_str() {
                Some(address) => principal::by_email(self.pool, address)
                    .await?
                    .map(|Principal { id, name, .. }| Grantee::Principal(id, name)),
                None => None,
            },
            "group" if !name.is_empty() => Some(Grantee::Group(name.to_owned())),
            "authenticated" => Some(Grantee::Authenticated),
            "all" => Some(Grantee::All),
            "owner" => Some(Grantee::Owner),
            _ => None,
        })
    }

    /// The entries that are told of a home or a calendar; those of who is invited by address among them.
    pub async fn aces(&mut self, value: &Value) -> Result<Vec<Ace>> {
        let mut all = Vec::new();
        let by_address =
            value["invites"].as_array().into_iter().flatten().filter(|one| one["to"] == "address");
        for value in value["list"].as_array().into_iter().flatten().chain(by_address) {
            if let Some(grantee) = self.grantee(value).await? {
                all.push(Ace { calendar_id: 0, grantee, privileges: bits(value) });
            }
        }
        Ok(all)
    }

    /// The invites that are told of a calendar.
    pub async fn guests(&mut self, value: &Value) -> Result<Vec<(Guest, Answer)>> {
        let mut all = Vec::new();
        for value in value["invites"].as_array().into_iter().flatten() {
            let text = |key: &str| value[key].as_str().map(str::to_owned);
            let who = self.grantee(value).await?;
            if who.is_none() && (value["to"] != "address" || text("address").is_none()) {
                continue;
            }
            let answer = match value["answer"].as_str() {
                Some("accepted") => Answer::Accepted,
                Some("declined") => Answer::Declined,
                _ => Answer::None,
            };
            let guest = Guest {
                who,
                address: text("address"),
                common_name: text("common_name"),
                summary: text("summary"),
                privileges: bits(value),
            };
            all.push((guest, answer));
        }
        Ok(all)
    }
}

fn bits(value: &Value) -> Privileges {
    let bits = value["privileges"].as_i64().and_then(|bits| i32::try_from(bits).ok());
    Privileges::from_bits(bits.unwrap_or_default())
}
