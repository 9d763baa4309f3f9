//! The part of the file that says who may call.

use super::file::{Key, List, Optional};
use super::limits::Limits;
use super::read::{Named, Required, section};
use super::values::{Deadline, Moment, Period, Texts};

section! {
    /// Who may call. With it, every path but health's needs an API key or a token, unless it says `anonymous = true`.
    Auth, "[auth]" {
        /// API keys, by names of your choice: for logs, limits and owners.
        keys: Optional<Named<ApiKey>>,
        /// Tokens (JWT) of somebody who knows the users.
        jwt: Optional<Jwt>,
    }
}

section! {
    /// An API key. `chatwire key` makes one.
    ApiKey, "an API key" {
        /// The SHA-256 of the key, in hexadecimal digits; several while one takes the place of another.
        sha256: Optional<Texts>,
        /// The environment variable that holds the key itself, or several with blanks between.
        env: Optional<String>,
        /// The file that holds the key itself, or several, one on each line; relative to this file.
        file: Optional<String>,
        /// The paths of the routes, facts and other mounts that it is for, such as "/chat", or "/api/*" for all below.
        /// Default: all.
        routes: List<String>,
        /// The models that it is for, such as "chat-model", or "ollama/*" for all that begin like it. Default: all.
        models: List<String>,
        /// The user that its requests are for, whatever a header says. Default: the one that the header of `[owner]`
        /// names, or without `[owner]` one of its own.
        owner: Optional<String>,
        /// From when on it is refused, such as 2027-01-01T00:00:00Z. Default: never.
        expires: Optional<Moment>,
        /// What its requests together may ask for. Default: what `[limits.key]` says.
        limits: Optional<Limits>,
    }
}

section! {
    /// Tokens (JWT). The claim of a token names the user, whatever a header says.
    Jwt, "[auth.jwt]" {
        /// The public keys of who makes them.
        jwks: Optional<Jwks>,
        /// The secret of HS256, where the tokens have no public keys.
        secret: Optional<Key>,
        /// The issuers that are believed: their `iss`.
        issuer: Required<Texts>,
        /// What tokens must be for: one of these must be in their `aud`.
        audience: Required<Texts>,
        /// The claim that names the user. Default: "sub".
        owner_claim: Optional<String>,
        /// The algorithms that are allowed. Default: RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384 and EdDSA with
        /// `jwks`, and HS256 with `secret`.
        algorithms: List<String>,
        /// How far the clocks may differ. Default: "60s".
        leeway: Optional<Period>,
    }
}

section! {
    /// Public keys (JWKS).
    Jwks, "`jwks`" {
        /// The file that holds them, relative to this file.
        file: Optional<String>,
        /// Where they are, with https; http only on this machine.
        url: Optional<String>,
        /// After how long they are fetched again. A token with an unknown key brings that forward, every ten seconds at
        /// most. Default: "1h".
        refresh: Optional<Deadline>,
    }
}
