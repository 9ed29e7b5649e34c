//! Whom the addresses of sharees mean: mail addresses, and the paths of principals and groups (caldav-sharing §5.3.2).

use percent_encoding::percent_decode_str;

use crate::{
    dav::{
        Cx, Refusal, Result, Target, access,
        condition::{ALLOWED_PRINCIPAL, RECOGNIZED_PRINCIPAL},
        header::Prefer,
        multistatus::Multistatus,
        target::is_ours,
    },
    db::Tx,
    front::{self, Response, Status},
    store::{self, Grantee, Principal, Sharee},
};

use super::{
    plan::{Before, Whom, Wish},
    read::Order,
};

/// What an address names.
enum Named {
    Address(String),
    User(String),
    Group(String),
    Nobody,
}

/// The mail address that it is, with or without `mailto:`; in lower case.
#[must_use]
pub fn address(href: &str) -> Option<String> {
    let rest = match href.split_once(':') {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("mailto") => rest.split('?').next()?,
        Some(_) => return None,
        None => href,
    };
    let decoded: Vec<u8> = percent_decode_str(rest).collect();
    front::address(&decoded).ok()
}

fn named(cx: &Cx, href: &str) -> Named {
    if let Some(address) = address(href) {
        return Named::Address(address);
    }
    match is_ours(cx, href).map(|located| located.target) {
        Some(Target::Principal(user)) => Named::User(user),
        Some(Target::Group(name)) => Named::Group(name),
        _ => Named::Nobody,
    }
}

/// What the orders come to, for a calendar of the owner of that number to which those are invited who the viewer may see; or the answer that tells which of them cannot be, and that
/// for their sake the others are not carried out.
pub async fn wishes(
    cx: &Cx,
    tx: &Tx,
    (owner, there): (i64, &Before),
    orders: &[Order],
) -> Result<std::result::Result<Vec<Wish>, Response>> {
    let named: Vec<Named> = orders.iter().map(|order| named(cx, &order.href)).collect();
    let known = Known::of(tx, &named, there).await?;
    let judged: Vec<Result<Option<Wish>, Refusal>> =
        orders.iter().zip(&named).map(|(order, named)| known.wish(cx, owner, order, named)).collect();
    if judged.iter().all(Result::is_ok) {
        return Ok(Ok(judged.into_iter().filter_map(Result::ok).flatten().collect()));
    }
    let mut answer = Multistatus::new(Prefer::default());
    for (order, judged) in orders.iter().zip(&judged) {
        match judged {
            Ok(_) => answer.status(&order.href, Status::FAILED_DEPENDENCY),
            Err(refusal) => answer.refused(&order.href, refusal),
        }
    }
    Ok(Err(answer.finish()))
}

/// Those of whom something is wanted, as far as they are here.
struct Known<'a> {
    people: Vec<Principal>,
    groups: Vec<String>,
    /// Who is invited already, as far as the viewer may see that: they may be named again, known or not.
    there: &'a Before,
}

impl<'a> Known<'a> {
    async fn of(tx: &Tx, named: &[Named], there: &'a Before) -> Result<Self> {
        let (mut addresses, mut users, mut teams) = (Vec::new(), Vec::new(), Vec::new());
        for one in named {
            match one {
                Named::Address(address) => addresses.push(address.as_str()),
                Named::User(user) => users.push(user.as_str()),
                Named::Group(name) => teams.push(name.as_str()),
                Named::Nobody => {}
            }
        }
        let mut people = Vec::new();
        if !addresses.is_empty() {
            people = store::principal::by_emails_in(tx, &addresses).await?;
        }
        if !users.is_empty() {
            people.extend(store::principal::by_names_in(tx, &users).await?);
        }
        let mut groups = Vec::new();
        if !teams.is_empty() {
            groups = store::principal::groups_in(tx, &teams).await?;
        }
        Ok(Self { people, groups, there })
    }

    /// Whether somebody was invited by that address.
    fn invited(&self, who: &Principal, address: &str) -> bool {
        let mut invites = self.there.invites.iter();
        invites.any(|one| {
            let by_it = one.address.as_ref().is_some_and(|known| known.eq_ignore_ascii_case(address));
            by_it && matches!(one.sharee, Sharee::Person(id, ..) if id == who.id)
        })
    }

    fn listed(&self, who: impl Fn(&Grantee) -> bool) -> bool {
        self.there.aces.iter().any(|ace| who(&ace.grantee))
    }

    /// What an order comes to; nothing where somebody is to be removed who is not here.
    fn wish(&self, cx: &Cx, owner: i64, order: &Order, named: &Named) -> Result<Option<Wish>, Refusal> {
        let removes = order.level.is_none();
        let may_know = |who: &&Principal| removes || access::may_know(cx, who);
        let person = |who: &Principal| Grantee::Principal(who.id, who.name.clone());
        let whom = match named {
            Named::Address(address) => {
                let has_it = |who: &&Principal| {
                    who.email.as_ref().is_some_and(|email| email.eq_ignore_ascii_case(address))
                };
                let may_know = |who: &&Principal| may_know(who) || self.invited(who, address);
                let found = self.people.iter().find(has_it).filter(may_know);
                found.map_or(Whom::Stranger, |who| Whom::Known(person(who)))
            }
            Named::User(user) => {
                let is = |who: &Principal| {
                    self.listed(|one| matches!(one, Grantee::Principal(id, _) if *id == who.id))
                };
                let may_know = |who: &&Principal| may_know(who) || is(who);
                match self.people.iter().find(|who| who.name == *user).filter(may_know) {
                    Some(who) => Whom::Known(person(who)),
                    None if removes => return Ok(None),
                    None => return Err(RECOGNIZED_PRINCIPAL.into()),
                }
            }
            Named::Group(name) => {
                let known = self.groups.contains(name) && access::may_know_group(cx, name);
                let is = |one: &Grantee| matches!(one, Grantee::Group(group) if group == name);
                if !(known || removes || self.listed(is)) {
                    return Err(RECOGNIZED_PRINCIPAL.into());
                }
                Whom::Known(Grantee::Group(name.clone()))
            }
            Named::Nobody => {
                let why = "a sharee is named by a mail address, or by the path of a principal here";
                return Err(RECOGNIZED_PRINCIPAL.because(why));
            }
        };
        if is_owner(&whom, owner) {
            return Err(ALLOWED_PRINCIPAL.because("the owner has it already"));
        }
        let address = if let Named::Address(address) = named { Some(address.clone()) } else { None };
        Ok(Some(Wish {
            whom,
            address,
            common_name: order.common_name.clone(),
            summary: order.summary.clone(),
            level: order.level,
        }))
    }
}

fn is_owner(whom: &Whom, owner: i64) -> bool {
    matches!(whom, Whom::Known(Grantee::Principal(id, _)) if *id == owner)
}

#[cfg(test)]
mod tests {
    use super::address;

    #[test]
    fn an_address_is_one_with_and_without_its_scheme() {
        for (href, wanted) in [
            ("mailto:Bob@Example.com", Some("bob@example.com")),
            ("MAILTO:bob@example.com?subject=x", Some("bob@example.com")),
            ("mailto:b%20b@example.com", None),
            ("mailto:bob%2Bx@example.com", Some("bob+x@example.com")),
            ("bob@example.com", Some("bob@example.com")),
            ("mailto:bob", None),
            ("mailto:a@b@c", None),
            ("urn:uuid:5c1b-a@b", None),
            ("/dav/principals/a@b/", None),
            ("https://a@b/", None),
            ("", None),
        ] {
            assert_eq!(address(href).as_deref(), wanted, "{href}");
        }
    }
}
