//! How fast the XML room reads a large multiget and writes a large multistatus.

use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use kalends::xml::{Name, Writer, parse};

fn main() {
    divan::main();
}

/// A calendar-multiget of 5,000 resources.
#[divan::bench]
fn read_multiget(bencher: Bencher) {
    let mut w = Writer::new(Name::cal("calendar-multiget"));
    w.inside(Name::dav("prop"), |w| {
        w.empty(Name::dav("getetag"));
        w.empty(Name::cal("calendar-data"));
    });
    for number in 0..5_000 {
        w.element(Name::dav("href"), &href(number));
    }
    let body = w.finish();
    bencher.counter(BytesCount::of_slice(&body[..])).bench(|| parse(black_box(&body)));
}

/// A multistatus of 10,000 resources with an etag and a content type each, handed over piece by piece.
#[divan::bench]
fn write_listing(bencher: Bencher) {
    let hrefs: Vec<String> = (0..10_000).map(href).collect();
    let size = listing(&hrefs);
    bencher.counter(BytesCount::new(size)).bench(|| listing(black_box(&hrefs)));
}

/// A calendar object of 64 KiB as escaped text.
#[divan::bench]
fn write_calendar_data(bencher: Bencher) {
    let object = "DESCRIPTION:bread & butter\\, twice a week <at noon>\r\n".repeat(1_200);
    bencher.counter(BytesCount::of_str(&object)).bench(|| {
        let mut w = Writer::fragment();
        w.element(Name::cal("calendar-data"), black_box(&object));
        w.into_string()
    });
}

fn href(number: u32) -> String {
    format!("/dav/calendars/alice/calendar/5e1f6a3c-0000-4000-8000-{number:012}.ics")
}

fn listing(hrefs: &[String]) -> usize {
    let mut w = Writer::new(Name::dav("multistatus"));
    let mut sent = 0;
    for href in hrefs {
        w.open(Name::dav("response"));
        w.element(Name::dav("href"), href);
        w.open(Name::dav("propstat"));
        w.open(Name::dav("prop"));
        w.element(Name::dav("getetag"), "\"0123456789abcdef0123\"");
        w.element(Name::dav("getcontenttype"), "text/calendar; charset=utf-8; component=vevent");
        w.close(Name::dav("prop"));
        w.element(Name::dav("status"), "HTTP/1.1 200 OK");
        w.close(Name::dav("propstat"));
        w.close(Name::dav("response"));
        if w.len() > 16 * 1024 {
            sent += w.take().len();
        }
    }
    sent + w.finish().len()
}
