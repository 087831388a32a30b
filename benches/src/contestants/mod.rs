//! The same five routes, with sessions of different makers.
//!
//! | route | |
//! |---|---|
//! | `/plain` | doesn't touch the session |
//! | `/read` | reads a field |
//! | `/write` | changes a field |
//! | `/login` | begins a session |
//! | `/logout` | destroys it |

mod axum_session;
mod bare;
mod floor;
pub mod ours;
mod tower_sessions;

use axum::Router;
use session::{MemoryStore, Options, RedisStore};

use crate::Outcome;

/// A maker of sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contestant {
    /// No sessions at all: what the routes cost by themselves.
    Bare,
    /// Written by hand for these routes, behind a layer: the struct, and its JSON, as a store must have it.
    Floor,
    /// The same, and nothing is ever serialized.
    FloorTyped,
    /// On Redis, where `Floor` is a bare client: behind a layer, too, and a write compares. In memory it is the same.
    FloorCompared,
    /// This library.
    Session,
    /// tower-sessions, with signed cookies.
    TowerSessions,
    /// `axum_session`, whose cookies are not signed by default.
    AxumSession,
}

impl Contestant {
    /// Those that there are in memory.
    pub const ALL: [Self; 6] =
        [Self::Bare, Self::Floor, Self::FloorTyped, Self::Session, Self::TowerSessions, Self::AxumSession];

    /// Those that there are on Redis.
    pub const ON_REDIS: [Self; 3] = [Self::Floor, Self::FloorCompared, Self::Session];

    /// Its name in tables and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Floor => "floor",
            Self::FloorTyped => "floor_typed",
            Self::FloorCompared => "floor_compared",
            Self::Session => "session",
            Self::TowerSessions => "tower-sessions",
            Self::AxumSession => "axum_session",
        }
    }

    /// A new app, without sessions, on a store in memory.
    pub async fn app(self) -> Router {
        match self {
            Self::Bare => bare::app(),
            Self::Floor | Self::FloorCompared => floor::app(true),
            Self::FloorTyped => floor::app(false),
            Self::Session => ours::app(MemoryStore::new(), Options::default()),
            Self::TowerSessions => tower_sessions::app(),
            Self::AxumSession => axum_session::app().await,
        }
    }

    /// The contestant of this name.
    ///
    /// # Errors
    /// If there is none.
    pub fn named(name: &str) -> Outcome<Self> {
        Ok(Self::ALL.into_iter().chain(Self::ON_REDIS).find(|one| one.name() == name).ok_or("no such contestant")?)
    }

    /// A new app on a Redis server: this library's, or by hand.
    ///
    /// # Errors
    /// If the server doesn't answer, or the contestant has no such app.
    pub async fn app_on_redis(self, url: &str) -> Outcome<Router> {
        match self {
            Self::Floor => Ok(floor::redis::app(url).await?),
            Self::FloorCompared => Ok(floor::compared::app(url).await?),
            Self::Session => Ok(ours::app(RedisStore::connect(url).await?, Options::default())),
            _ => Err("it has no app on Redis".into()),
        }
    }
}
