//! What a request wants of whom: CS:share and DAV:share-resource, in one form (caldav-sharing §5.3.2, draft-pot-webdav-resource-sharing §5.3).

use crate::{
    dav::Refusal,
    xml::{Element, Name},
};

use super::level::Level;

/// Octets of an address, a name or a summary.
const LONGEST: usize = 1024;

/// What is wanted of one sharee.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Who, as it was sent.
    pub href: String,
    /// What the sharer calls them.
    pub common_name: Option<String>,
    /// What the sharer calls the calendar.
    pub summary: Option<String>,
    /// What they shall be able to do; nothing takes everything away.
    pub level: Option<Level>,
}

/// Whether a body says to whom something is shared.
#[must_use]
pub fn is_share(root: &Element) -> bool {
    root.is(Name::cs("share")) || root.is(Name::dav("share-resource"))
}

/// What a body wants.
pub fn orders(root: &Element) -> Result<Vec<Order>, Refusal> {
    let orders: Vec<Order> = if root.is(Name::cs("share")) {
        let said = root.children().filter(|child| child.is(Name::cs("set")) || child.is(Name::cs("remove")));
        said.map(said_of).collect::<Result<_, _>>()?
    } else {
        root.all(Name::dav("sharee")).map(sharee).collect::<Result<_, _>>()?
    };
    if orders.is_empty() {
        return Err(Refusal::bad_request("the body names no sharee"));
    }
    Ok(orders)
}

fn said_of(child: &Element) -> Result<Order, Refusal> {
    let level = Level::in_set(child);
    if child.is(Name::cs("set")) && level.is_none() {
        return Err(Refusal::bad_request("a CS:set says CS:read or CS:read-write"));
    }
    Ok(Order {
        href: href(child)?,
        common_name: text(child.child(Name::cs("common-name")))?,
        summary: text(child.child(Name::cs("summary")))?,
        level: level.filter(|_| child.is(Name::cs("set"))),
    })
}

fn sharee(child: &Element) -> Result<Order, Refusal> {
    let access = child.child(Name::dav("share-access"));
    let level = access.and_then(Level::in_share_access);
    if level.is_none() && access.is_none_or(|access| access.child(Name::dav("no-access")).is_none()) {
        let why = "a DAV:sharee has a DAV:share-access of DAV:read, DAV:read-write or DAV:no-access";
        return Err(Refusal::bad_request(why));
    }
    let prop = child.child(Name::dav("prop"));
    Ok(Order {
        href: href(child)?,
        common_name: text(prop.and_then(|prop| prop.child(Name::dav("displayname"))))?,
        summary: text(child.child(Name::dav("comment")))?,
        level,
    })
}

fn href(of: &Element) -> Result<String, Refusal> {
    let mut all = of.all(Name::dav("href"));
    let one = all.next().filter(|_| all.next().is_none());
    let one = text(one)?.ok_or_else(|| Refusal::bad_request("a sharee has one DAV:href"))?;
    Ok(one)
}

/// What an element says; what says nothing is as good as none.
fn text(of: Option<&Element>) -> Result<Option<String>, Refusal> {
    let text = of.map_or("", |element| element.text().trim());
    if text.len() > LONGEST {
        let why = format!("an address, a name or a summary has at most {LONGEST} octets");
        return Err(Refusal::bad_request(why));
    }
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<Vec<Order>, Refusal> {
        let namespaces = r#"xmlns:D="DAV:" xmlns:CS="http://calendarserver.org/ns/" xmlns:K="urn:x-kalends""#;
        let end = body.find([' ', '>']).unwrap();
        let text = format!("{} {namespaces}{}", &body[..end], &body[end..]);
        orders(&crate::xml::parse(text.as_bytes()).unwrap())
    }

    fn order(href: &str, level: Option<Level>) -> Order {
        Order { href: href.to_owned(), common_name: None, summary: None, level }
    }

    #[test]
    fn the_two_vocabularies_say_the_same() {
        let named = |name: &str, text: &str, order: Order| Order {
            common_name: Some(name.to_owned()),
            summary: Some(text.to_owned()),
            ..order
        };
        let wanted = [
            named("Bob", "Work", order("mailto:bob@x", Some(Level::ReadWrite))),
            order("/dav/principals/carol/", Some(Level::FreeBusy)),
            order("mailto:dave@x", None),
        ];
        let cs = "<CS:share><CS:set><D:href> mailto:bob@x </D:href><CS:common-name>Bob</CS:common-name>\
                  <CS:summary>Work</CS:summary><CS:read-write/></CS:set><CS:set><D:href>/dav/principals/carol/</D:href>\
                  <K:free-busy/></CS:set><CS:remove><D:href>mailto:dave@x</D:href></CS:remove></CS:share>";
        assert_eq!(read(cs).unwrap(), wanted);
        let dav = "<D:share-resource><D:sharee><D:href>mailto:bob@x</D:href><D:prop><D:displayname>Bob</D:displayname>\
                   </D:prop><D:comment>Work</D:comment><D:share-access><D:read-write/></D:share-access></D:sharee>\
                   <D:sharee><D:href>/dav/principals/carol/</D:href><D:share-access><K:free-busy/></D:share-access>\
                   </D:sharee><D:sharee><D:href>mailto:dave@x</D:href><D:share-access><D:no-access/></D:share-access>\
                   </D:sharee></D:share-resource>";
        assert_eq!(read(dav).unwrap(), wanted);
    }

    #[test]
    fn what_is_left_out_or_too_long_is_refused() {
        for bad in [
            "<CS:share></CS:share>",
            "<CS:share><CS:set><D:href>mailto:bob@x</D:href></CS:set></CS:share>",
            "<CS:share><CS:set><CS:read/></CS:set></CS:share>",
            "<CS:share><CS:set><D:href>a@b</D:href><D:href>c@d</D:href><CS:read/></CS:set></CS:share>",
            "<CS:share><CS:remove></CS:remove></CS:share>",
            "<D:share-resource><D:sharee><D:href>a@b</D:href></D:sharee></D:share-resource>",
            "<D:share-resource><D:sharee><D:href>a@b</D:href><D:share-access/></D:sharee></D:share-resource>",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
        let long = "x".repeat(LONGEST + 1);
        assert!(
            read(&format!("<CS:share><CS:remove><D:href>{long}</D:href></CS:remove></CS:share>")).is_err()
        );
    }
}
