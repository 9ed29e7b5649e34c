//! Who may do what: the entries of access control lists, and the rights of a viewer. The twin of sql/caldav/ace.sql.

use std::{collections::HashMap, sync::Arc};

use crate::{
    db::{Error, Pool, Row, Tx},
    model::{Kind, Privileges, Scope},
};

use super::{Principal, grouped};

crate::queries!("caldav/ace.sql":
    GRANTED = "granted",
    OF = "of",
    OF_ALL = "of_all",
    OF_BOUND = "of_bound",
    CLEAR = "clear",
    ADD = "add",
    ON_HOMES = "on_homes",
);

/// Who is asking.
#[derive(Clone, Debug)]
pub struct Viewer {
    /// The principal.
    pub principal: Principal,
    /// Whether everything is allowed everywhere.
    pub admin: bool,
    /// Whether everything may be read everywhere.
    pub reader: bool,
    /// How far the credential reaches that they came with, where that does not reach as far as they do.
    pub scope: Option<Arc<Scope>>,
    /// Whether they came with a password for a program, however far it reaches.
    pub program: bool,
}

impl Viewer {
    /// Somebody with nothing but their own rights.
    #[must_use]
    pub const fn of(principal: Principal) -> Self {
        Self { principal, admin: false, reader: false, scope: None, program: false }
    }

    /// The same by a credential that reaches so far; one that does not reach as far as they do makes nobody an admin.
    #[must_use]
    pub fn by(self, scope: Option<Scope>) -> Self {
        match scope {
            Some(scope) if scope.is_confined() || scope.read_only => {
                let reader = (self.reader || self.admin) && !scope.is_confined();
                Self { admin: false, reader, scope: Some(Arc::new(scope)), program: true, ..self }
            }
            Some(_) => Self { program: true, ..self },
            None => self,
        }
    }

    /// Whether they are here for some of their own calendars alone.
    #[must_use]
    pub fn is_confined(&self) -> bool {
        self.scope.as_ref().is_some_and(|scope| scope.is_confined())
    }

    /// Whether what has that name in the home is there for them, if it is there.
    #[must_use]
    pub fn sees(&self, home_id: i64, name: &str) -> bool {
        self.scope.as_ref().is_none_or(|scope| scope.shows(self.owns(home_id), name))
    }

    /// What is left of their rights on a home, or on the person whose it is.
    #[must_use]
    pub fn scoped(&self, home_id: i64, rights: Privileges) -> Privileges {
        self.scope.as_ref().map_or(rights, |scope| scope.on_home(self.owns(home_id), rights))
    }

    /// What is left of their rights on what has that name in the home.
    #[must_use]
    pub fn scoped_to(&self, (home_id, name): (i64, &str), rights: Privileges) -> Privileges {
        self.scope.as_ref().map_or(rights, |scope| scope.on_member(self.owns(home_id), name, rights))
    }

    /// Whether nothing in the home of that number needs to be granted.
    #[must_use]
    pub const fn owns(&self, home_id: i64) -> bool {
        self.admin || self.principal.id == home_id
    }

    /// THE RIGHTS, in one place: everything in one's own home and to an admin; elsewhere what the entries that are about
    /// the viewer grant, of which `granted` has the bits. By whichever way something is reached, what is left of them by that
    /// way is another question: [`Self::scoped`], [`Self::scoped_to`].
    #[must_use]
    pub fn rights(&self, home_id: i64, granted: Option<i32>) -> Privileges {
        if self.owns(home_id) {
            return Privileges::ALL;
        }
        let granted = Privileges::from_bits(granted.unwrap_or_default());
        if self.reader { granted.or(Privileges::READ_ALL) } else { granted }
    }

    /// Whether nobody is hidden from the viewer.
    #[must_use]
    pub const fn knows_all(&self) -> bool {
        self.admin || self.reader
    }
}

/// What of a viewer's rights there is for a collection of this kind.
#[must_use]
pub fn capped(rights: Privileges, kind: Kind) -> Privileges {
    match kind {
        Kind::Calendar => rights,
        Kind::Subscribed => rights.and(Privileges::MARK),
        _ => rights.and(Privileges::TEND),
    }
}

/// Whom an entry is about (RFC 3744 §5.5.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grantee {
    /// A principal, by number and user name.
    Principal(i64, String),
    /// Who is in a group, as the proxy calls it.
    Group(String),
    /// Whoever signed in.
    Authenticated,
    /// Everybody who gets in: those who signed in.
    All,
    /// The owner, who needs no entry.
    Owner,
}

/// One entry: what is granted to whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ace {
    /// The collection in whose list it is; 0 is the home's.
    pub calendar_id: i64,
    /// To whom.
    pub grantee: Grantee,
    /// What.
    pub privileges: Privileges,
}

/// What the viewer may do with the home itself.
pub async fn on_home(pool: &Pool, viewer: &Viewer, home_id: i64) -> Result<Privileges, Error> {
    if viewer.owns(home_id) {
        return Ok(viewer.scoped(home_id, Privileges::ALL));
    }
    let who = &viewer.principal;
    let row = pool.row(&GRANTED, &[&home_id, &0_i64, &who.id, &who.groups]).await?;
    Ok(viewer.scoped(home_id, viewer.rights(home_id, row.at("granted")?)))
}

/// The viewer's rights on a collection as they are by now, if nothing else is said of its kind, or of the way to it.
pub async fn on(tx: &Tx, viewer: &Viewer, home_id: i64, calendar_id: i64) -> Result<Privileges, Error> {
    if viewer.owns(home_id) {
        return Ok(Privileges::ALL);
    }
    let who = &viewer.principal;
    let row = tx.row(&GRANTED, &[&home_id, &calendar_id, &who.id, &who.groups]).await?;
    Ok(viewer.rights(home_id, row.at("granted")?))
}

/// The list of a collection, behind it that of its home; that of the home alone where `calendar_id` is 0.
pub async fn of(pool: &Pool, home_id: i64, calendar_id: i64) -> Result<Vec<Ace>, Error> {
    pool.rows(&OF, &[&home_id, &calendar_id]).await?.iter().map(read).collect()
}

/// The same in a transaction.
pub async fn of_in(tx: &Tx, home_id: i64, calendar_id: i64) -> Result<Vec<Ace>, Error> {
    tx.rows(&OF, &[&home_id, &calendar_id]).await?.iter().map(read).collect()
}

/// All lists in a home; behind them that of the home.
pub async fn of_all(pool: &Pool, home_id: i64) -> Result<Vec<Ace>, Error> {
    pool.rows(&OF_ALL, &[&home_id]).await?.iter().map(read).collect()
}

/// The lists of collections, each told by the home that it is kept in and its number, and behind them those of the homes; by
/// number.
pub async fn of_bound(pool: &Pool, of: &[(i64, i64)]) -> Result<HashMap<i64, Vec<Ace>>, Error> {
    let (homes, ids): (Vec<i64>, Vec<i64>) = of.iter().copied().unzip();
    grouped(&pool.rows(&OF_BOUND, &[&homes, &ids]).await?, |row| Ok((row.at("id")?, read(row)?)))
}

/// What the lists of homes themselves grant to a principal, or to these groups: each entry, with the owner's name, in the
/// order of these.
pub async fn on_homes(pool: &Pool, who: Option<i64>, groups: &[String]) -> Result<Vec<(String, Ace)>, Error> {
    let rows = pool.rows(&ON_HOMES, &[&who, &groups]).await?;
    rows.iter().map(|row| Ok((row.at("owner")?, read(row)?))).collect()
}

/// Puts `aces` in place of the list of a collection, which nobody else changes meanwhile.
pub async fn set(tx: &Tx, home_id: i64, calendar_id: i64, aces: &[Ace]) -> Result<(), Error> {
    tx.execute(&CLEAR, &[&home_id, &calendar_id]).await?;
    let codes: Vec<i16> = aces.iter().map(|ace| code(&ace.grantee)).collect();
    let principal = |ace: &Ace| if let Grantee::Principal(id, _) = ace.grantee { Some(id) } else { None };
    let principals: Vec<Option<i64>> = aces.iter().map(principal).collect();
    let group = |ace: &Ace| if let Grantee::Group(name) = &ace.grantee { Some(name.clone()) } else { None };
    let groups: Vec<Option<String>> = aces.iter().map(group).collect();
    let privileges: Vec<i32> = aces.iter().map(|ace| ace.privileges.bits()).collect();
    tx.execute(&ADD, &[&home_id, &calendar_id, &codes, &principals, &groups, &privileges]).await.map(drop)
}

const fn code(grantee: &Grantee) -> i16 {
    match grantee {
        Grantee::Principal(..) => 0,
        Grantee::Group(_) => 1,
        Grantee::Authenticated => 2,
        Grantee::All => 3,
        Grantee::Owner => 4,
    }
}

fn read(row: &Row) -> Result<Ace, Error> {
    let grantee = match row.at::<i16>("grantee")? {
        0 => Grantee::Principal(row.at("principal_id")?, row.at("name")?),
        1 => Grantee::Group(row.at("group_name")?),
        2 => Grantee::Authenticated,
        3 => Grantee::All,
        _ => Grantee::Owner,
    };
    let privileges = Privileges::from_bits(row.at("privileges")?);
    Ok(Ace { calendar_id: row.at("calendar_id")?, grantee, privileges })
}
