//! The answer about many resources: responses, propstats by status, sent while it is made when it is long
//! (RFC 4918 §13 and §14.16, RFC 6578 §3.6, RFC 8144).

use bytes::Bytes;

use crate::{
    db::{Row, Rows},
    front::{Response, Status, header},
    model::Privilege,
    xml::{Name, Writer},
};

use super::{
    Cx, Refusal, Result,
    ask::{Ask, Asked},
    error::XML,
    header::Prefer,
    prop::{Facts, Prop, Source, write_dead},
    stream::{self, Growing},
};

/// How a report renders what only it gives of a resource, or why the whole report is refused.
pub type Render = dyn Fn(&Facts, &mut Writer) -> Result<Rendered, Refusal> + Send + Sync;

/// What a rendering came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rendered {
    /// It is written.
    Given,
    /// The resource has nothing of the kind.
    Absent,
    /// Of this resource it cannot be given, and why.
    Refused(Refusal),
}

/// A multistatus in the making.
pub struct Multistatus {
    w: Writer,
    prefer: Prefer,
}

impl Multistatus {
    /// An empty one.
    #[must_use]
    pub fn new(prefer: Prefer) -> Self {
        Self::of_members(prefer.with_root())
    }

    /// An empty one, which follows depth-noroot where that is asked for (RFC 8144 §3.1).
    #[must_use]
    pub fn of_members(prefer: Prefer) -> Self {
        Self { w: Writer::new(Name::dav("multistatus")), prefer }
    }

    /// A response with the properties that are asked for: one propstat of those that are there, one of those that are not.
    pub fn response(&mut self, facts: &Facts, ask: &Ask, cx: &Cx) {
        // Without a rendering there is nothing to refuse.
        drop(self.rendered(facts, ask, cx, None));
    }

    /// The same, with what only a report gives.
    pub fn rendered(
        &mut self,
        facts: &Facts,
        ask: &Ask,
        cx: &Cx,
        render: Option<&Render>,
    ) -> Result<(), Refusal> {
        let of = Of { facts, cx, render };
        let minimal = self.prefer.minimal;
        self.other(&facts.href, |w| of.propstats(ask, minimal, w))
    }

    /// A response that is a status alone.
    pub fn status(&mut self, href: &str, status: Status) {
        self.other(href, |w| write_line(status, w));
    }

    /// A response that is a refusal.
    pub fn refused(&mut self, href: &str, refusal: &Refusal) {
        self.other(href, |w| {
            write_line(refusal.status, w);
            if refusal.condition.is_some() {
                w.inside(Name::dav("error"), |w| refusal.write(w));
            }
        });
    }

    /// A response whose content somebody else writes.
    pub fn other<T>(&mut self, href: &str, content: impl FnOnce(&mut Writer) -> T) -> T {
        // As `inside` writes it: there may be a hundred thousand of them in an answer.
        self.w.raw("<D:response><D:href>");
        self.w.text(href);
        self.w.raw("</D:href>");
        let value = content(&mut self.w);
        self.w.raw("</D:response>");
        value
    }

    /// The token up to which a sync report tells (RFC 6578 §6.4).
    pub fn sync_token(&mut self, token: &str) {
        self.w.element(Name::dav("sync-token"), token);
    }

    /// The answer, whole.
    #[must_use]
    pub fn finish(self) -> Response {
        let head = self.head();
        head.body(XML, self.w.finish())
    }

    /// The answer about the rows of a statement.
    pub async fn of_rows(self, rows: Rows<'static>, each: impl Each) -> Result<Response> {
        stream::answer(self.head(), XML, Filling { answer: self, each }, rows).await
    }

    fn head(&self) -> Response {
        self.prefer.told(Response::new(Status::MULTI_STATUS).with(header::VARY, "Brief, Prefer"))
    }
}

/// What becomes of the rows of a statement in a multistatus.
pub trait Each: Send + 'static {
    /// Writes the responses of a row.
    fn row(&mut self, row: &Row, answer: &mut Multistatus) -> Result<()>;

    /// Writes what comes after the last row.
    fn last(&mut self, answer: &mut Multistatus) -> Result<()> {
        let _ = answer;
        Ok(())
    }
}

/// A multistatus, and how it is filled.
struct Filling<E> {
    answer: Multistatus,
    each: E,
}

impl<E: Each> Growing for Filling<E> {
    fn row(&mut self, row: &Row) -> Result<()> {
        self.each.row(row, &mut self.answer)
    }

    fn written(&self) -> usize {
        self.answer.w.len()
    }

    fn take(&mut self) -> Bytes {
        self.answer.w.take()
    }

    fn finish(mut self) -> Result<Bytes> {
        self.each.last(&mut self.answer)?;
        Ok(self.answer.w.finish())
    }
}

/// The status line of a response or propstat.
#[must_use]
pub fn line(status: Status) -> String {
    format!("HTTP/1.1 {} {}", status.as_str(), status.canonical_reason().unwrap_or_default())
}

/// The same as a DAV:status: there is one in every answer about a resource.
fn write_line(status: Status, w: &mut Writer) {
    if status == Status::OK {
        return w.raw("<D:status>HTTP/1.1 200 OK</D:status>");
    }
    w.inside(Name::dav("status"), |w| {
        for piece in ["HTTP/1.1 ", status.as_str(), " ", status.canonical_reason().unwrap_or_default()] {
            w.raw(piece);
        }
    });
}

/// Writes a propstat: its properties, its status, and what is said about it.
pub fn propstat<T>(status: Status, w: &mut Writer, props: impl FnOnce(&mut Writer) -> T) -> T {
    w.raw("<D:propstat><D:prop>");
    let value = props(w);
    w.raw("</D:prop>");
    write_line(status, w);
    w.raw("</D:propstat>");
    value
}

/// Writes the propstat of what cannot be given, and why (RFC 4918 §14.5, §14.22, §14.25).
fn refused(asked: &Asked, refusal: &Refusal, w: &mut Writer) {
    w.inside(Name::dav("propstat"), |w| {
        w.inside(Name::dav("prop"), |w| w.empty_owned(&asked.name));
        write_line(refusal.status, w);
        if refusal.condition.is_some() {
            w.inside(Name::dav("error"), |w| refusal.write(w));
        }
        if let Some(why) = refusal.reason() {
            w.element(Name::dav("responsedescription"), why);
        }
    });
}

/// What became of the properties that were asked for.
#[derive(Default)]
struct Told<'a> {
    /// Whether any was there.
    found: bool,
    missing: Vec<&'a Asked>,
    refused: Vec<(&'a Asked, Refusal)>,
}

/// A resource, and who looks at it.
struct Of<'a> {
    facts: &'a Facts,
    cx: &'a Cx,
    render: Option<&'a Render>,
}

impl Of<'_> {
    fn propstats(&self, ask: &Ask, minimal: bool, w: &mut Writer) -> Result<(), Refusal> {
        let mark = w.len();
        let mut told = propstat(Status::OK, w, |w| match ask {
            Ask::Names(asked) => self.names(asked, w),
            Ask::All(include) => {
                self.all(include, w);
                let missing = include.iter().filter(|asked| !self.has(asked)).collect();
                Ok(Told { found: true, missing, refused: Vec::new() })
            }
            Ask::NamesOnly => {
                self.names_only(w);
                Ok(Told { found: true, ..Told::default() })
            }
        })?;
        for asked in told.missing.extract_if(.., |asked| self.denied(asked).is_some()) {
            let lacking = self.denied(asked).map(|privilege| Refusal::need(&self.facts.href, privilege));
            told.refused.extend(lacking.map(|refusal| (asked, refusal)));
        }
        // Where nothing is there, the 404 stands alone; a response has at least one propstat.
        let tell = !told.missing.is_empty() && !minimal;
        if !told.found && (tell || !told.refused.is_empty()) {
            w.rewind(mark);
        }
        for (asked, refusal) in told.refused {
            refused(asked, &refusal, w);
        }
        if tell {
            let missing = told.missing.iter();
            propstat(Status::NOT_FOUND, w, |w| missing.for_each(|asked| w.empty_owned(&asked.name)));
        }
        Ok(())
    }

    /// The privilege that the viewer lacks to read what is asked for.
    fn denied(&self, asked: &Asked) -> Option<Privilege> {
        asked.prop?.lacking(self.facts)
    }

    /// Writes those that are there, and tells which are not.
    fn names<'a>(&self, asked: &'a [Asked], w: &mut Writer) -> Result<Told<'a>, Refusal> {
        let mut told = Told::default();
        for asked in asked {
            match self.asked(asked, w)? {
                Rendered::Given => told.found = true,
                Rendered::Absent => told.missing.push(asked),
                Rendered::Refused(refusal) => told.refused.push((asked, refusal)),
            }
        }
        Ok(told)
    }

    fn asked(&self, asked: &Asked, w: &mut Writer) -> Result<Rendered, Refusal> {
        let written = match asked.prop {
            Some(Prop { source: Source::Data, on, .. }) if !on.has(self.facts.kind()) => None,
            Some(Prop { source: Source::Data, .. }) => {
                return self.render.map_or(Ok(Rendered::Absent), |render| render(self.facts, w));
            }
            Some(prop) => prop.write(self.facts, self.cx, w),
            None => write_dead(&asked.name, self.facts, w),
        };
        Ok(written.map_or(Rendered::Absent, |()| Rendered::Given))
    }

    fn all(&self, include: &[Asked], w: &mut Writer) {
        let listed = |prop: &Prop| prop.allprop || include.iter().any(|asked| asked.name == prop.name);
        for prop in self.cx.tables.props.iter().copied().flatten().filter(|p| listed(p)) {
            let _ = prop.write(self.facts, self.cx, w);
        }
        self.dead().for_each(|property| w.raw(&property.value));
    }

    fn names_only(&self, w: &mut Writer) {
        let there = |prop: &&Prop| prop.write(self.facts, self.cx, &mut Writer::fragment()).is_some();
        for prop in self.cx.tables.props.iter().copied().flatten().filter(there) {
            w.empty(prop.name);
        }
        self.dead().for_each(|property| w.empty_owned(&property.name));
    }

    fn has(&self, asked: &Asked) -> bool {
        self.asked(asked, &mut Writer::fragment()) == Ok(Rendered::Given)
    }

    fn dead(&self) -> impl Iterator<Item = &crate::store::Property> {
        self.facts.stored.iter().filter(|property| self.cx.tables.prop(&property.name).is_none())
    }
}
