//! No path leaks: made-up objects of every kind and level, made-up rights (entries of two lists, groups that change, delegates, app
//! passwords), and requests by every way to read, the trash among them, against a model that knows of each word in each object for
//! whose eyes it is. A word too many in an answer is a failure, and so is one too few.

#![allow(clippy::unwrap_used)]

#[allow(dead_code)] // of the dice of others
#[path = "recur/dice.rs"]
mod dice;
#[path = "leaks/reads.rs"]
mod reads;
#[path = "leaks/reference.rs"]
mod reference;
#[path = "support/server.rs"]
mod server;
mod support;
#[path = "leaks/world.rs"]
mod world;

use kalends::config::{HeaderName, Settings};
use server::Server;
use world::{OTHERS, World};

/// Groups are told by the proxy, and app passwords are let in.
fn telling(settings: &mut Settings) {
    settings.identity.groups_header = HeaderName::named("X-Forwarded-Groups");
    settings.identity.auth_type_header = HeaderName::named("X-Forwarded-Auth-Type");
    settings.identity.credential_types = vec!["password".into()];
}

async fn play(requests: u64, seed: u64) {
    let server = Server::start(telling).await;
    let mut world = World::new(&server, seed).await;
    world.grant().await;
    while world.requests < requests {
        match world.dice.below(5) {
            0 => world.owner_acts().await,
            1 => {
                let who = *world.dice.pick(&OTHERS);
                world.other_acts(who).await;
            }
            _ => {
                let face = world.someone();
                world.reads(&face).await;
            }
        }
    }
    world.has_done_everything();
}

#[tokio::test]
async fn no_path_leaks() {
    play(3_000, 0x5EED_0001).await;
}

#[tokio::test]
#[ignore = "takes minutes"]
async fn no_path_leaks_in_the_long_run() {
    for round in 1..=10 {
        play(10_000, 0x5EED_0001 + round * 0x9E37_79B9).await;
    }
}
