//! Who a person is: by subject, by name, by address if the site wants it, and by nothing else. The eighteen cases in which
//! another calendar suite proves its sign-in, told by headers; then what a site with browsers and native programs needs.

#![allow(clippy::unwrap_used)]

#[path = "support/server.rs"]
mod server;
mod support;

use std::process::Command;

use kalends::config::{HeaderName, Settings};
use kalends::db::migrate::{CALDAV, migrate};
use server::{Answer, Client, Server, event};
use support::sql;

const SUB: &str = "X-Forwarded-Sub";
const EMAIL: &str = "X-Forwarded-Email";
const NAME: &str = "X-Forwarded-Name";
const GROUPS: &str = "X-Forwarded-Groups";
const KIND: &str = "X-Forwarded-Auth-Type";

/// A server whose proxy tells everything of everybody.
async fn site(change: impl FnOnce(&mut Settings)) -> Server {
    Server::start(|settings| {
        let identity = &mut settings.identity;
        for header in [
            &mut identity.email_header,
            &mut identity.name_header,
            &mut identity.subject_header,
            &mut identity.groups_header,
        ] {
            *header = HeaderName::named(header.usual());
        }
        change(settings);
        assert_eq!(settings.faults(), []);
    })
    .await
}

/// The same with a proxy that says how people signed in.
async fn mixed_site() -> Server {
    site(|settings| settings.identity.auth_type_header = HeaderName::named(KIND)).await
}

/// Who the server takes a request for: the path of their home, or the status it is refused with.
async fn seen(server: &Server, user: &str, headers: &[(&str, &str)]) -> Result<String, u16> {
    whose(&ask(server, user, headers, "PROPFIND /dav/").await)
}

async fn ask(server: &Server, user: &str, headers: &[(&str, &str)], line: &str) -> Answer {
    let mut client: Client = server.client(user).await;
    let headers: Vec<_> = headers.iter().copied().chain([("Depth", "0")]).collect();
    let body = "<propfind xmlns='DAV:'><prop><current-user-principal/></prop></propfind>";
    client.ask(line, &headers, if line.starts_with("PROPFIND") { body } else { "" }).await
}

fn whose(answer: &Answer) -> Result<String, u16> {
    let text = answer.text();
    let href = text.split("principals/").nth(1).and_then(|rest| rest.split('/').next());
    match answer.status {
        207 => Ok(href.unwrap().to_owned()),
        status => Err(status),
    }
}

/// One person as the database has them: number, name, subject, address, shown name, groups.
async fn kept(server: &Server) -> Vec<String> {
    let text = "SELECT concat_ws(' ', id, name, coalesce(subject, '-'), coalesce(email, '-'), coalesce(display_name, '-'),
        array_to_string(groups, '+')) AS told FROM principal ORDER BY id";
    let rows = server.db.pool.rows(&sql(text), &[]).await.unwrap();
    rows.iter().map(|row| row.at::<String>("told").unwrap().trim_end().to_owned()).collect()
}

/// Settles alice, with a subject, an address and an object in her calendar.
async fn alice(server: &Server) {
    let told = [(SUB, "s-alice"), (EMAIL, "alice@example.org"), (NAME, "Alice A."), (KIND, "session")];
    let mut client = server.client("alice").await;
    let path = "PUT /dav/calendars/alice/calendar/a.ics";
    assert_eq!(client.ask(path, &told, event("a", "hers")).await.status, 201);
}

const ALICE: &str = "1 alice s-alice alice@example.org Alice A.";

async fn disable(server: &Server) {
    let text = sql("UPDATE principal SET disabled = now()");
    assert_eq!(server.db.pool.client().await.unwrap().execute(&text, &[]).await.unwrap(), 1);
}

/// The calendar's object, if they may read it.
async fn reads(server: &Server, user: &str, headers: &[(&str, &str)]) -> bool {
    let line = format!("GET /dav/calendars/{user}/calendar/a.ics");
    ask(server, user, headers, &line).await.status == 200
}

// ---- the eighteen cases ----

#[tokio::test]
async fn case_01_a_known_subject_without_an_address_is_that_person() {
    let server = site(|_| ()).await;
    alice(&server).await;
    assert_eq!(seen(&server, "alice", &[(SUB, "s-alice")]).await, Ok("alice".into()));
    assert_eq!(kept(&server).await, [ALICE]);
}

#[tokio::test]
async fn case_02_another_subject_with_a_known_address_is_that_person_where_the_site_says_so() {
    let server = site(|settings| settings.identity.match_email = true).await;
    alice(&server).await;
    let told = [(SUB, "123"), (EMAIL, "Alice@Example.ORG")];
    assert!(reads(&server, "alice.a", &told).await);
    assert_eq!(kept(&server).await, ["1 alice.a 123 alice@example.org Alice A."]);
    // The name alone says the same, and a realm that was made anew has new subjects.
    assert!(reads(&server, "alice.a", &[(SUB, "124"), (EMAIL, "alice@example.org")]).await);
    assert_eq!(kept(&server).await.len(), 1);
}

#[tokio::test]
async fn case_03_an_unknown_subject_without_an_address_is_somebody_new() {
    for told in [&[(SUB, "123")][..], &[(SUB, "123"), (EMAIL, "")], &[(SUB, "123"), (EMAIL, "(null)")]] {
        let server = site(|settings| settings.identity.match_email = true).await;
        assert_eq!(seen(&server, "alice", &[(SUB, "s-alice")]).await, Ok("alice".into()));
        assert_eq!(seen(&server, "bob", told).await, Ok("bob".into()));
        assert_eq!(kept(&server).await, ["1 alice s-alice - -", "2 bob 123 - -"]);
    }
}

#[tokio::test]
async fn case_04_two_persons_may_share_an_address_where_the_site_says_so_and_it_leads_to_the_first() {
    let server = site(|settings| settings.identity.shared_email = true).await;
    alice(&server).await;
    let told = [(SUB, "123"), (EMAIL, "ALICE@example.org")];
    assert_eq!(seen(&server, "bob", &told).await, Ok("bob".into()));
    assert!(!reads(&server, "bob", &told).await);
    assert_eq!(kept(&server).await, [ALICE, "2 bob 123 - -"]);
}

#[tokio::test]
async fn case_05_a_new_person_with_the_address_of_another_is_refused_and_nobody_is_made() {
    let server = site(|_| ()).await;
    alice(&server).await;
    for email in ["alice@example.org", "ALICE@EXAMPLE.ORG"] {
        let answer = ask(&server, "bob", &[(SUB, "123"), (EMAIL, email)], "PROPFIND /dav/").await;
        assert_eq!(answer.status, 403);
        assert!(answer.text().contains("belongs to somebody else"), "{}", answer.text());
    }
    assert_eq!(kept(&server).await, [ALICE]);
}

#[tokio::test]
async fn case_06_a_known_person_of_whom_nothing_is_new_is_only_read() {
    let server = site(|_| ()).await;
    alice(&server).await;
    let version = "SELECT xmin::text || ' ' || ctid::text FROM principal";
    let before: String = server.db.pool.row(&sql(version), &[]).await.unwrap().at(0).unwrap();
    let told = [(SUB, "s-alice"), (EMAIL, "Alice@example.org"), (NAME, "Alice A.")];
    assert_eq!(seen(&server, "alice", &told).await, Ok("alice".into()));
    let after: String = server.db.pool.row(&sql(version), &[]).await.unwrap().at(0).unwrap();
    assert_eq!((kept(&server).await, after), (vec![ALICE.to_owned()], before));
}

#[tokio::test]
async fn case_07_what_is_told_of_a_known_subject_is_taken_over() {
    let server = site(|_| ()).await;
    alice(&server).await;
    for (name, email) in [
        ("Jack A.", "alice@example.org"),
        ("Alice D.", "alice@example.org"),
        ("Alice A.", "jack@example.org"),
        ("Jack D.", "jack.d@example.org"),
    ] {
        let told = [(SUB, "s-alice"), (EMAIL, email), (NAME, name)];
        assert_eq!(seen(&server, "alice", &told).await, Ok("alice".into()));
        assert_eq!(kept(&server).await, [format!("1 alice s-alice {email} {name}")]);
    }
}

#[tokio::test]
async fn case_08_what_is_told_of_a_person_known_by_address_is_taken_over() {
    for name in ["Jack A.", "Alice D."] {
        let server = site(|settings| settings.identity.match_email = true).await;
        alice(&server).await;
        let told = [(SUB, "123"), (EMAIL, "alice@example.org"), (NAME, name)];
        assert!(reads(&server, "alice", &told).await);
        assert_eq!(kept(&server).await, [format!("1 alice 123 alice@example.org {name}")]);
    }
}

#[tokio::test]
async fn case_09_a_new_person_without_an_address_has_none() {
    let server = site(|_| ()).await;
    assert_eq!(seen(&server, "alice", &[(SUB, "123")]).await, Ok("alice".into()));
    assert_eq!(kept(&server).await, ["1 alice 123 - -"]);
}

#[tokio::test]
async fn case_10_a_new_person_has_the_address_and_the_name_that_are_told() {
    let server = site(|_| ()).await;
    alice(&server).await;
    assert_eq!(kept(&server).await, [ALICE]);
}

#[tokio::test]
async fn case_11_every_claim_comes_by_its_header() {
    let server = site(|_| ()).await;
    let told = [(SUB, "123"), (EMAIL, "john.doe@example.com"), (NAME, "John Doe"), (GROUPS, "/staff,/rooms")];
    assert_eq!(seen(&server, "john", &told).await, Ok("john".into()));
    assert_eq!(kept(&server).await, ["1 john 123 john.doe@example.com John Doe /rooms+/staff"]);
}

#[tokio::test]
async fn case_12_claims_come_in_any_script() {
    let server = site(|_| ()).await;
    let told = [(SUB, "7f3a-é"), (EMAIL, "jané@exämple.com"), (NAME, "Jané Đoe 測試"), (GROUPS, "/équipe")];
    assert_eq!(seen(&server, "jané", &told).await, Ok("jan%C3%A9".into()));
    assert_eq!(kept(&server).await, ["1 jané 7f3a-é jané@exämple.com Jané Đoe 測試 /équipe"]);
}

#[tokio::test]
async fn case_13_claims_that_cannot_be_read_are_refused_and_nobody_is_made() {
    let server = site(|_| ()).await;
    for (header, value) in
        [(SUB, "12\u{202e}3"), (SUB, "1\t2"), (GROUPS, "/st\u{200b}aff"), ("X_Forwarded_Sub", "1")]
    {
        assert_eq!(seen(&server, "john", &[(header, value)]).await, Err(403), "{header}");
    }
    assert_eq!(seen(&server, "john", &[(SUB, "123"), (SUB, "124")]).await, Err(403));
    let raw =
        b"PROPFIND /dav/ HTTP/1.1\r\nHost: x\r\nX-Forwarded-User: john\r\nX-Forwarded-Sub: \xff\xfe\r\n\r\n";
    assert_eq!(server.client("").await.exchange(&[raw], false).await.unwrap().status, 403);
    assert_eq!(kept(&server).await, [""; 0]);
}

#[tokio::test]
async fn case_14_a_disabled_person_is_refused_by_subject_on_every_path_at_once() {
    let server = site(|settings| settings.identity.admins = vec!["alice".into()]).await;
    alice(&server).await;
    disable(&server).await;
    let told = [(SUB, "s-alice"), (EMAIL, "alice@example.org"), (NAME, "Alice A.")];
    for base in ["/dav/", "/api/v1.0/caldav/"] {
        for path in
            ["", "principals/", "principals/alice/", "calendars/", "calendars/alice/", "alice/calendar/"]
        {
            for method in ["PROPFIND", "OPTIONS", "REPORT"] {
                let answer = ask(&server, "alice", &told, &format!("{method} {base}{path}")).await;
                assert_eq!(answer.status, 403, "{method} {base}{path}");
                assert!(answer.text().contains("disabled"), "{}", answer.text());
            }
        }
        for method in ["GET", "HEAD", "PUT", "DELETE", "PROPPATCH"] {
            let line = format!("{method} {base}calendars/alice/calendar/a.ics");
            assert_eq!(ask(&server, "alice", &told, &line).await.status, 403, "{line}");
        }
        for method in ["MKCALENDAR", "MKCOL"] {
            let line = format!("{method} {base}calendars/alice/new/");
            assert_eq!(ask(&server, "alice", &told, &line).await.status, 403, "{line}");
        }
    }
    for path in ["/", "/principals/"] {
        assert_eq!(ask(&server, "alice", &told, &format!("PROPFIND {path}")).await.status, 403);
    }
    // Under a new name as well, which the refusal does not take over.
    assert_eq!(seen(&server, "alice2", &told).await, Err(403));
    assert_eq!(kept(&server).await, [ALICE]);
}

#[tokio::test]
async fn case_15_a_disabled_person_is_refused_by_name_and_by_address_and_nobody_is_made() {
    let server = site(|settings| settings.identity.match_email = true).await;
    alice(&server).await;
    disable(&server).await;
    assert_eq!(seen(&server, "bob", &[(SUB, "random"), (EMAIL, "alice@example.org")]).await, Err(403));
    assert_eq!(seen(&server, "alice", &[]).await, Err(403));
    assert_eq!(kept(&server).await, [ALICE]);
    // Before subjects were told: the name is all there is, and stays refused whatever subject comes with it.
    let server = site(|_| ()).await;
    assert_eq!(seen(&server, "alice", &[]).await, Ok("alice".into()));
    disable(&server).await;
    assert_eq!(seen(&server, "alice", &[(SUB, "new")]).await, Err(403));
    assert_eq!(kept(&server).await, ["1 alice - - -"]);
}

#[tokio::test]
async fn case_16_tokens_and_sessions_are_the_proxys_and_nothing_of_them_is_kept() {
    let server = site(|_| ()).await;
    let mut client = server.client("alice").await;
    let token = [("Authorization", "Bearer kept-nowhere"), ("Cookie", "session=kept-nowhere"), (SUB, "123")];
    let answer = client.ask("PUT /dav/calendars/alice/calendar/a.ics", &token, event("a", "x")).await;
    assert_eq!(answer.status, 201);
    assert!(answer.header("set-cookie").is_none());
    // The same connection, and nobody is told: nobody it is.
    let nobody = client
        .exchange(&[b"PROPFIND /dav/ HTTP/1.1\r\nHost: x\r\nCookie: session=kept-nowhere\r\n\r\n"], false);
    assert_eq!(nobody.await.unwrap().status, 401);
    let text = "SELECT count(*) FROM (SELECT principal::text AS t FROM principal UNION ALL SELECT value FROM property) AS a
        WHERE t LIKE '%kept-nowhere%'";
    assert_eq!(server.db.pool.row(&sql(text), &[]).await.unwrap().at::<i64>(0).unwrap(), 0);
}

#[tokio::test]
async fn case_17_the_groups_of_a_new_person_are_kept() {
    let server = site(|_| ()).await;
    let told = [(SUB, "123"), (EMAIL, "john.doe@example.com"), (NAME, "John Doe"), (GROUPS, "/staff")];
    assert_eq!(seen(&server, "john", &told).await, Ok("john".into()));
    assert_eq!(kept(&server).await, ["1 john 123 john.doe@example.com John Doe /staff"]);
}

#[tokio::test]
async fn case_18_the_groups_of_a_known_person_are_those_told_last() {
    let server = site(|_| ()).await;
    assert_eq!(seen(&server, "john", &[(SUB, "123"), (GROUPS, "/obsolete")]).await, Ok("john".into()));
    assert_eq!(seen(&server, "john", &[(SUB, "123"), (GROUPS, "/new")]).await, Ok("john".into()));
    assert_eq!(kept(&server).await, ["1 john 123 - - /new"]);
    assert_eq!(seen(&server, "john", &[(SUB, "123")]).await, Ok("john".into()));
    assert_eq!(kept(&server).await, ["1 john 123 - -"]);
}

// ---- browsers and native programs, one person ----

#[tokio::test]
async fn a_native_program_without_the_subject_is_the_person_of_the_name() {
    let server = mixed_site().await;
    alice(&server).await;
    assert!(reads(&server, "alice", &[(KIND, "Basic")]).await);
    // It tells neither groups nor an address, and takes none away.
    assert_eq!(
        seen(&server, "alice", &[(KIND, "bearer"), (SUB, "s-alice"), (GROUPS, "/staff")]).await,
        Ok("alice".into())
    );
    assert!(reads(&server, "alice", &[(KIND, "Basic")]).await);
    assert_eq!(kept(&server).await, [format!("{ALICE} /staff")]);
    // Whoever came by such a program first is joined by their subject.
    assert_eq!(seen(&server, "bob", &[(KIND, "Basic")]).await, Ok("bob".into()));
    assert_eq!(seen(&server, "bob", &[(KIND, "session"), (SUB, "s-bob")]).await, Ok("bob".into()));
    assert_eq!(kept(&server).await[1], "2 bob s-bob - -");
}

#[tokio::test]
async fn leaving_headers_out_makes_nobody_somebody_else() {
    let server = mixed_site().await;
    alice(&server).await;
    // Another alice came into the name; she makes the proxy leave out what tells the two apart.
    for headers in [
        &[][..],
        &[(KIND, "session")],
        &[(KIND, "bearer")],
        &[(KIND, "")],
        &[(SUB, "s-other")],
        &[(SUB, "s-alice")],
        &[(KIND, "Basic"), (SUB, "s-alice")],
        &[(KIND, "Basic"), (KIND, "session")],
        &[(KIND, "Basic, session")],
    ] {
        assert_eq!(seen(&server, "alice", headers).await, Err(403), "{headers:?}");
    }
    assert_eq!(kept(&server).await, [ALICE]);
}

#[tokio::test]
async fn a_name_given_to_another_leaves_the_calendars_and_takes_its_address_along() {
    let server = mixed_site().await;
    alice(&server).await;
    let other = [(KIND, "session"), (SUB, "s-other"), (EMAIL, "alice@example.org")];
    assert_eq!(seen(&server, "alice", &other).await, Ok("alice".into()));
    assert!(!reads(&server, "alice", &other).await);
    assert!(!reads(&server, "alice", &[(KIND, "Basic")]).await);
    assert_eq!(kept(&server).await, ["1 alice/1 s-alice - Alice A.", "2 alice s-other alice@example.org -"]);
    // The first comes back under a new name, and finds everything but the address.
    assert!(
        reads(&server, "alice.a", &[(KIND, "session"), (SUB, "s-alice"), (EMAIL, "alice@example.org")]).await
    );
    assert_eq!(kept(&server).await[0], "1 alice.a s-alice - Alice A.");
}

#[tokio::test]
async fn no_known_person_takes_over_the_address_of_another_nor_is_locked_out() {
    let server = site(|_| ()).await;
    alice(&server).await;
    let bob = |email| [(SUB, "s-bob"), (EMAIL, email)];
    assert_eq!(seen(&server, "bob", &bob("bob@example.org")).await, Ok("bob".into()));
    assert_eq!(seen(&server, "bob", &bob("alice@example.org")).await, Ok("bob".into()));
    assert_eq!(kept(&server).await, [ALICE, "2 bob s-bob bob@example.org -"]);
}

#[tokio::test]
async fn an_address_made_from_a_name_fills_an_empty_place_and_no_other() {
    let server = site(|settings| settings.identity.email_domain = "example.org".into()).await;
    assert_eq!(seen(&server, "bob", &[(SUB, "s-bob"), (EMAIL, "alice@example.org")]).await, Ok("bob".into()));
    assert_eq!(seen(&server, "bob", &[(SUB, "s-bob")]).await, Ok("bob".into()));
    assert_eq!(seen(&server, "carol", &[(SUB, "s-carol")]).await, Ok("carol".into()));
    // Hers is bob's: she gets in without.
    assert_eq!(seen(&server, "alice", &[(SUB, "s-alice")]).await, Ok("alice".into()));
    assert_eq!(seen(&server, "alice", &[(SUB, "s-alice")]).await, Ok("alice".into()));
    assert_eq!(
        kept(&server).await,
        ["1 bob s-bob alice@example.org -", "2 carol s-carol carol@example.org -", "3 alice s-alice - -"]
    );
}

#[tokio::test]
async fn fifty_first_sign_ins_with_one_address_make_one_person() {
    let server = site(|_| ()).await;
    let arrivals = (0..50).map(|nth| {
        let (server, user, subject) = (&server, format!("user{nth}"), format!("s-{nth}"));
        async move { seen(server, &user, &[(SUB, &subject), (EMAIL, "one@example.org")]).await }
    });
    let all = futures_util::future::join_all(arrivals).await;
    assert_eq!(all.iter().filter(|seen| seen.is_ok()).count(), 1);
    assert_eq!(all.iter().filter(|seen| **seen == Err(403)).count(), 49);
    assert_eq!(kept(&server).await.len(), 1);
}

#[tokio::test]
async fn addresses_that_two_had_before_stay_with_the_first() {
    let db = support::bare_database("").await;
    migrate(&db.pool, &CALDAV[..1]).await.unwrap();
    let people = "INSERT INTO principal (name, email) VALUES ('a', 'One@x'), ('b', NULL), ('c', 'one@x'), ('d', 'two@x'), ('e', 'ONE@x')";
    db.pool.client().await.unwrap().batch(people).await.unwrap();
    migrate(&db.pool, CALDAV).await.unwrap();
    let left = sql("SELECT string_agg(name || ' ' || email, ', ' ORDER BY id) AS left FROM principal");
    let left: String = db.pool.row(&left, &[]).await.unwrap().at("left").unwrap();
    assert_eq!(left, "a One@x, d two@x");
}

// ---- kalends user ----

/// What `kalends user` says, and whether it went well.
fn user(server: &Server, arguments: &[&str]) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kalends"));
    command.arg("user").args(arguments).env("KALENDS__DATABASE__URL", &server.db.url);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    (output.status.success(), said.into_owned())
}

#[tokio::test]
async fn an_operator_lists_disables_enables_and_renames() {
    let server = site(|_| ()).await;
    alice(&server).await;
    let told = [(SUB, "s-alice")];
    let (well, said) = user(&server, &["list"]);
    assert!(well && said.contains("alice  active  alice@example.org  s-alice"), "{said}");

    let (well, said) = user(&server, &["disable", "Alice"]);
    assert!(well && said.contains("alice is disabled"), "{said}");
    assert_eq!(seen(&server, "alice", &told).await, Err(403));
    assert!(user(&server, &["list"]).1.contains("disabled"));
    assert!(user(&server, &["enable", "alice"]).0);
    assert!(reads(&server, "alice", &told).await);

    let (well, said) = user(&server, &["rename", "alice", "Alice.2019"]);
    assert!(well && said.contains("alice is called alice.2019 now"), "{said}");
    assert_eq!(seen(&server, "alice", &[(SUB, "s-other")]).await, Ok("alice".into()));
    assert!(reads(&server, "alice.2019", &told).await);
    for (arguments, why) in [
        (&["rename", "alice", "alice.2019"][..], "somebody else already"),
        (&["rename", "alice", "a/b"], "cannot be a name"),
        (&["disable", "nobody"], "nobody is called nobody"),
    ] {
        let (well, said) = user(&server, arguments);
        assert!(!well && said.contains(why), "{said}");
    }
    assert!(user(&server, &["--help"]).1.contains("before alice is given to somebody else"));
}

/// Who asks without a sign-in is told when somebody is busy where the settings say so, and nothing else; of nobody who is not
/// here, and of nobody who has left.
#[tokio::test]
async fn busy_times_are_public_where_the_settings_say_so() {
    let path = "GET /dav/calendars/alice/freebusy?start=20260301T000000Z&period=P1D";
    for public in [false, true] {
        let server = site(|settings| settings.calendar.public_freebusy = public).await;
        alice(&server).await;
        let mut nobody = server.client("").await;
        let told = nobody.ask(path, &[], "").await;
        assert_eq!(told.status, if public { 200 } else { 401 });
        assert_eq!(told.text().contains("FREEBUSY;FBTYPE=BUSY:20260301T090000Z/20260301T100000Z"), public);
        assert!(!told.text().contains("SUMMARY") && !told.text().contains("alice"), "{}", told.text());
        let mut bob = server.client("bob").await;
        assert_eq!(bob.ask(path, &[], "").await.status, if public { 200 } else { 403 });
        for closed in [
            "GET /dav/calendars/nobody-here/freebusy",
            "GET /dav/calendars/alice/calendar/",
            "GET /dav/calendars/alice/",
            "OPTIONS /dav/calendars/alice/freebusy",
            "PROPFIND /dav/calendars/alice/freebusy",
            "PUT /dav/calendars/alice/freebusy",
            "GET /dav/calendars/alice/freebusy/a.ics",
        ] {
            assert_eq!(nobody.ask(closed, &[], "").await.status, 401, "{closed}");
        }
        let left = sql("UPDATE principal SET disabled = now() WHERE name = 'alice'");
        assert_eq!(server.db.pool.client().await.unwrap().execute(&left, &[]).await.unwrap(), 1);
        assert_eq!(nobody.ask(path, &[], "").await.status, 401, "of nobody who has left");
        assert_eq!(bob.ask(path, &[], "").await.status, 403, "nor for those who have signed in");
    }
}
