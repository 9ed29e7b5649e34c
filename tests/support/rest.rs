//! A REST service with the CalDAV service it asks, in one process or, as far as a test can tell, in two.
#![allow(dead_code)] // each test program uses its own part

use std::net::SocketAddr;

use kalends::boot::{Part, Running};
use kalends::config::{Listen, Settings};
use serde_json::Value;

use crate::server::{Answer, Client, Server};
use crate::support;

/// The service, and all that it stands on; gone with this.
pub struct Rest {
    pub address: SocketAddr,
    /// The CalDAV service, and its database.
    pub caldav: Server,
    _apart: Option<Running>,
}

/// A connection on which somebody's requests go one after the other, with JSON in and out.
pub struct Json(pub Client);

const HERE: ([u8; 4], u16) = ([127, 0, 0, 1], 0);

impl Rest {
    /// Both services on listeners of one process.
    pub async fn start(change: impl FnOnce(&mut Settings)) -> Self {
        let caldav = Server::start(|settings| {
            settings.api.listen = Some(Listen::Tcp(HERE.into()));
            change(settings);
        })
        .await;
        Self { address: caldav.rest.expect("a REST service"), caldav, _apart: None }
    }

    /// Each on its own: they share the database and know each other by addresses alone.
    pub async fn apart(change: impl Fn(&mut Settings)) -> Self {
        let caldav = Server::start(&change).await;
        let mut settings = Settings { database: support::settings(&caldav.db.url), ..Settings::default() };
        settings.server.listen = vec![Listen::Tcp(HERE.into())];
        settings.monitor.listen = None;
        settings.api.listen = Some(Listen::Tcp(HERE.into()));
        settings.api.caldav = format!("http://{}", caldav.address);
        change(&mut settings);
        let apart = Running::start_part(settings, Part::Rest).await.expect("a REST service");
        Self { address: apart.rest_address.expect("an address"), caldav, _apart: Some(apart) }
    }

    /// A connection of that user; nobody where it is empty.
    pub async fn client(&self, user: &str) -> Json {
        let socket = tokio::net::TcpStream::connect(self.address).await.expect("a connection");
        socket.set_nodelay(true).expect("an option");
        Json(Client::new(socket, user))
    }
}

/// Runs the test with both services in one process, and with each on its own.
pub async fn both(test: impl AsyncFn(Rest)) {
    test(Rest::start(|_| ()).await).await;
    test(Rest::apart(|_| ()).await).await;
}

impl Json {
    pub async fn get(&mut self, path: &str) -> (u16, Value) {
        self.call("GET", path, Value::Null).await
    }

    /// The status and the JSON of the answer; null where there is none.
    pub async fn call(&mut self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let answer = self.raw(method, path, &[], body).await;
        let told = if answer.body.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&answer.body).expect("JSON")
        };
        (answer.status, told)
    }

    pub async fn raw(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: Value) -> Answer {
        let line = format!("{method} /api/v1.0/{path}");
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut headers = headers.to_vec();
        if !body.is_empty() {
            headers.push(("Content-Type", "application/json"));
        }
        self.0.ask(&line, &headers, body).await
    }
}
