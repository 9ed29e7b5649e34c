//! What `SabreDAV`, Baikal, Nextcloud and ownCloud keep in their databases. The twin of sql/import/sabre.sql.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use anyhow::Result;

use crate::{
    db::Query,
    model::{Component, Components},
    store::Answer,
};

use super::{
    account::addressed,
    base::{Base, Key, Line},
    shelf::{Home, Level, Person, Share, Shelf, Told},
    tree::Look,
};

crate::queries!("import/sabre.sql":
    PRINCIPALS = "principals",
    DELEGATES = "delegates",
    INSTANCES = "instances",
    SHAREES = "sharees",
    CALENDARS = "calendars",
    OBJECTS = "objects",
    SUBSCRIPTIONS = "subscriptions",
    SHARES = "shares",
    PEOPLE = "people",
    USERS = "users",
    ADDRESSES = "addresses",
    PROXIES = "proxies",
);

/// Where calendars are told from, and what is not one.
const BIRTHDAYS: &str = "contact_birthdays";

/// Which of the products it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Product {
    /// `SabreDAV` and Baikal; since 3.2 what people have are instances of calendars.
    Sabre {
        /// Whether it is that.
        instances: bool,
    },
    /// Nextcloud and ownCloud: what the names of tables begin with.
    Cloud {
        /// That.
        prefix: String,
    },
}

impl Product {
    /// What these tables are of.
    #[must_use]
    pub fn of(tables: &BTreeSet<String>) -> Option<Self> {
        let has = |name: &str| tables.contains(name);
        let prefix = tables.iter().filter_map(|name| name.strip_suffix("dav_shares")).find(|prefix| {
            let plain = prefix.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
            plain && has(&format!("{prefix}calendars")) && has(&format!("{prefix}calendarobjects"))
        });
        if let Some(prefix) = prefix {
            return Some(Self::Cloud { prefix: prefix.to_owned() });
        }
        let sabre = ["calendars", "calendarobjects", "principals"].into_iter().all(has);
        sabre.then(|| Self::Sabre { instances: has("calendarinstances") })
    }
}

/// The reader.
pub struct Reader<'a> {
    base: &'a Base,
    tables: &'a BTreeSet<String>,
    product: Product,
    /// Statements of this installation, each made once.
    made: HashMap<&'static str, Query>,
}

/// Who lets whom into all of theirs, by their URIs.
type Delegates = BTreeMap<String, Vec<Share>>;

impl<'a> Reader<'a> {
    /// A reader of that product.
    #[must_use]
    pub fn new(base: &'a Base, tables: &'a BTreeSet<String>, product: Product) -> Self {
        let prefix = match &product {
            Product::Sabre { .. } => "",
            Product::Cloud { prefix } => prefix,
        };
        // A handful of texts, as long as the program runs, which is this import.
        let text = |query: &Query| &*query.text.replace("{prefix}", prefix).leak();
        let made =
            ALL.iter().map(|query| (query.name, Query { name: query.name, text: text(query) })).collect();
        Self { base, tables, product, made }
    }

    fn query(&self, query: &Query) -> Query {
        self.made.get(query.name).copied().unwrap_or(*query)
    }

    fn has(&self, table: &str) -> bool {
        match &self.product {
            Product::Sabre { .. } => self.tables.contains(table),
            Product::Cloud { prefix } => self.tables.contains(&format!("{prefix}{table}")),
        }
    }

    async fn all(&self, query: &Query, key: Key<'_>) -> Result<Vec<Line>> {
        self.base.all(&self.query(query), key).await
    }

    /// Reads everybody, or whoever is called `only` there.
    pub async fn read(&self, only: Option<&str>, out: &mut Shelf<'_>) -> Result<bool> {
        let mut any = false;
        for (uri, person) in self.people().await? {
            if only.is_some_and(|only| only != person.name) {
                continue;
            }
            any = true;
            let Some(mut home) = out.person(&person)? else { continue };
            self.calendars(&uri, out, &mut home).await?;
            if self.has("calendarsubscriptions") {
                for line in self.all(&SUBSCRIPTIONS, Key::Text(&uri)).await? {
                    let told = Told { source: line.text("source"), ..described(&line) };
                    if told.source.is_some() {
                        out.calendar(&mut home, &told)?.close()?;
                    }
                }
            }
            home.close()?;
        }
        Ok(any)
    }

    /// Everybody with calendars, by the URI of their principal.
    async fn people(&self) -> Result<BTreeMap<String, Person>> {
        let mut delegates = self.delegates().await?;
        let mut people = BTreeMap::new();
        let lines = match self.product {
            Product::Sabre { .. } => self.all(&PRINCIPALS, Key::All).await?,
            Product::Cloud { .. } => self.all(&PEOPLE, Key::All).await?,
        };
        let (names, addresses) = self.known().await?;
        for line in lines {
            let Some(uri) = line.text("uri") else { continue };
            let Some(name) = self.user(&uri) else { continue };
            let person = Person {
                display_name: line.text("displayname").or_else(|| names.get(&name).cloned()),
                email: line.text("email").or_else(|| addresses.get(&name).cloned()),
                delegates: delegates.remove(&uri).unwrap_or_default(),
                name,
            };
            people.insert(uri, person);
        }
        Ok(people)
    }

    /// The user name in the URI of a person.
    fn user(&self, uri: &str) -> Option<String> {
        let name = match self.product {
            Product::Sabre { .. } => uri.strip_prefix("principals/")?,
            Product::Cloud { .. } => uri.strip_prefix("principals/users/")?,
        };
        (!name.is_empty() && !name.contains('/')).then(|| name.to_owned())
    }

    /// What the people of a cloud are called, and their mail addresses.
    async fn known(&self) -> Result<(HashMap<String, String>, HashMap<String, String>)> {
        let (mut names, mut addresses) = (HashMap::new(), HashMap::new());
        if matches!(self.product, Product::Sabre { .. }) {
            return Ok((names, addresses));
        }
        if self.has("users") {
            for line in self.all(&USERS, Key::All).await? {
                names.extend(line.text("uid").zip(line.text("displayname")));
            }
        }
        if self.has("preferences") {
            for line in self.all(&ADDRESSES, Key::All).await? {
                addresses.extend(line.text("userid").zip(line.text("configvalue")));
            }
        }
        Ok((names, addresses))
    }

    async fn delegates(&self) -> Result<Delegates> {
        let mut all = Delegates::new();
        let mut add = |owner: String, member: &str, writes: bool| {
            let level = if writes { Level::Write } else { Level::Read };
            if let Some(to) = addressed(member) {
                all.entry(owner).or_default().push(Share {
                    to,
                    called: None,
                    answer: Answer::Accepted,
                    level,
                });
            }
        };
        if matches!(self.product, Product::Sabre { .. }) && self.has("groupmembers") {
            for line in self.all(&DELEGATES, Key::All).await? {
                let (Some(team), Some(member)) = (line.text("team"), line.text("member")) else { continue };
                if let Some(owner) = team.strip_suffix("/calendar-proxy-write") {
                    add(owner.to_owned(), &member, true);
                } else if let Some(owner) = team.strip_suffix("/calendar-proxy-read") {
                    add(owner.to_owned(), &member, false);
                }
            }
        }
        if matches!(self.product, Product::Cloud { .. }) && self.has("dav_cal_proxy") {
            for line in self.all(&PROXIES, Key::All).await? {
                let (Some(owner), Some(proxy)) = (line.text("owner_id"), line.text("proxy_id")) else {
                    continue;
                };
                // 1 is read, 2 is write.
                add(owner, &proxy, line.number("permissions").unwrap_or_default() & 2 != 0);
            }
        }
        Ok(all)
    }

    async fn calendars(&self, uri: &str, out: &mut Shelf<'_>, home: &mut Home) -> Result<()> {
        let instances = self.product == Product::Sabre { instances: true };
        let query = if instances { INSTANCES } else { CALENDARS };
        for line in self.all(&query, Key::Text(uri)).await? {
            let Some(id) = line.number("calendarid") else { continue };
            let mut told = described(&line);
            if line.text("deleted_at").is_some() || told.name == BIRTHDAYS {
                continue;
            }
            told.shares = self.shares(id, uri).await?;
            let mut book = out.calendar(home, &told)?;
            let take = |line: Line| {
                // Those of subscriptions lie in the same table, fetched from elsewhere.
                let (gone, kind) = (line.text("deleted_at").is_some(), line.number("calendartype"));
                if gone || kind.unwrap_or(0) != 0 {
                    return Ok(());
                }
                let name = line.text("uri").unwrap_or_default();
                match line.octets("calendardata") {
                    Some(octets) if !name.is_empty() => book.object(&name, None, &octets),
                    _ => {
                        out.problem(&format!("{uri}/{}/{name}: it has no data", told.name));
                        Ok(())
                    }
                }
            };
            self.base.each(&self.query(&OBJECTS), Key::Number(id), take).await?;
            book.close()?;
        }
        Ok(())
    }

    async fn shares(&self, id: i64, owner: &str) -> Result<Vec<Share>> {
        let instances = self.product == Product::Sabre { instances: true };
        if !instances && !self.has("dav_shares") {
            return Ok(Vec::new());
        }
        let lines = self.all(&if instances { SHAREES } else { SHARES }, Key::Number(id)).await?;
        let shares = lines.iter().filter_map(|line| if instances { instance(line) } else { shared(line) });
        // Shares that somebody has left are kept there as such.
        let own = addressed(owner);
        Ok(shares.filter(|share| Some(&share.to) != own.as_ref()).collect())
    }
}

/// A share of Nextcloud: 2 is read and write, 3 is read; 4 is a public link, and 5 one that somebody has left.
fn shared(line: &Line) -> Option<Share> {
    let level = match line.number("access")? {
        2 => Level::Write,
        3 => Level::Read,
        _ => return None,
    };
    let to = addressed(&line.text("principaluri")?)?;
    Some(Share { to, called: None, answer: Answer::Accepted, level })
}

/// An instance of `SabreDAV` that is not the owner's: 2 is read, 3 is read and write; 4 one that was taken away.
fn instance(line: &Line) -> Option<Share> {
    let level = match line.number("access")? {
        2 => Level::Read,
        3 => Level::Write,
        _ => return None,
    };
    let answer = match line.number("share_invitestatus") {
        Some(1) => Answer::None,
        Some(3) => Answer::Declined,
        Some(4) => return None,
        _ => Answer::Accepted,
    };
    // Who is there is told by the principal; who is not, by the address alone.
    let by_principal = line.text("principaluri").and_then(|uri| addressed(&uri));
    let to = by_principal.or_else(|| addressed(&line.text("share_href")?))?;
    Some(Share { to, called: line.text("share_displayname"), answer, level })
}

/// What a row says of a calendar, or of a subscription.
fn described(line: &Line) -> Told {
    let kinds: Option<Components> = line
        .text("components")
        .map(|kinds| kinds.split(',').filter_map(|kind| Component::named(kind.trim())).collect())
        .filter(|kinds: &Components| !kinds.is_empty());
    Told {
        name: line.text("uri").unwrap_or_default(),
        look: Look {
            name: line.text("displayname"),
            color: line.text("calendarcolor"),
            description: line.text("description"),
            order: line.text("calendarorder").filter(|order| order != "0"),
        },
        transparent: line.number("transparent").unwrap_or_default() != 0,
        components: kinds,
        ..Told::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_product_is_known_by_its_tables() {
        let of = |names: &[&str]| Product::of(&names.iter().map(|&name| name.to_owned()).collect());
        let cloud = of(&["oc_calendars", "oc_calendarobjects", "oc_dav_shares", "oc_users"]);
        assert_eq!(cloud, Some(Product::Cloud { prefix: "oc_".to_owned() }));
        let sabre = ["calendars", "calendarobjects", "principals"];
        assert_eq!(of(&sabre), Some(Product::Sabre { instances: false }));
        assert_eq!(
            of(&[&sabre[..], &["calendarinstances"]].concat()),
            Some(Product::Sabre { instances: true })
        );
        assert_eq!(of(&["calendars", "events"]), None);
        assert_eq!(of(&["a\"dav_shares", "a\"calendars", "a\"calendarobjects"]), None);
    }
}
