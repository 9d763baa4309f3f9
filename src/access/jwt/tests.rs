//! Tokens that are good, and every way in which one is not.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::json;

use super::jwks::Fetching;
use super::*;
use crate::clock::now_ms;

/// Long ago, and long to come, in seconds since 1970.
const PAST: u64 = 1_000_000_000;
const FUTURE: u64 = 4_000_000_000;

const SECRET: &str = "a secret of both sides, 32 bytes long";

/// A key of who makes tokens.
struct Signer {
    id: &'static str,
    algorithm: Algorithm,
    key: EncodingKey,
}

impl Signer {
    fn ec(id: &'static str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        Self { id, algorithm: Algorithm::ES256, key: EncodingKey::from_ec_der(pair.to_pkcs8v1().unwrap().as_ref()) }
    }

    fn ed(id: &'static str) -> Self {
        let document = Ed25519KeyPair::generate_pkcs8v1(&SystemRandom::new()).unwrap();
        Self { id, algorithm: Algorithm::EdDSA, key: EncodingKey::from_ed_der(document.as_ref()) }
    }

    fn rsa(id: &'static str) -> Self {
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let whole: Pkcs8V1Der<'_> = pair.as_der().unwrap();
        // The library reads the key itself, which is what stands behind the 26 bytes that say that it is RSA's.
        Self { id, algorithm: Algorithm::RS256, key: EncodingKey::from_rsa_der(&whole.as_ref()[26..]) }
    }

    fn public(&self) -> Value {
        let mut jwk = Jwk::from_encoding_key(&self.key, self.algorithm).unwrap();
        jwk.common.key_id = Some(self.id.to_owned());
        serde_json::to_value(jwk).unwrap()
    }

    fn sign(&self, claims: &Value) -> String {
        self.sign_as(&Header { kid: Some(self.id.to_owned()), ..Header::new(self.algorithm) }, claims)
    }

    fn sign_as(&self, header: &Header, claims: &Value) -> String {
        encode(header, claims, &self.key).unwrap()
    }
}

fn claims() -> Value {
    json!({"sub": "ann", "iss": "https://issuer.example", "aud": "chat", "exp": FUTURE})
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    match value {
        Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
        value => claims[name] = value,
    }
    claims
}

fn set(keys: &[Value]) -> KeySet {
    KeySet::parse(json!({ "keys": keys }).to_string().as_bytes()).unwrap()
}

fn plan(keys: Option<Keys>, secret: bool) -> Jwt {
    Jwt {
        algorithms: Jwt::usual_algorithms(keys.is_some(), secret),
        keys,
        secret: secret.then(|| Secret::new(SECRET)),
        issuers: vec!["https://issuer.example".to_owned()],
        audiences: vec!["chat".to_owned(), "admin".to_owned()],
        owner_claim: "sub".to_owned(),
        leeway: Duration::from_secs(60),
    }
}

fn verifier(signers: &[&Signer]) -> Verifier {
    let keys: Vec<Value> = signers.iter().map(|signer| signer.public()).collect();
    Verifier::new(plan(Some(Keys::Set(set(&keys))), false), None).unwrap()
}

async fn owner_of(verifier: &Verifier, token: &str) -> Result<String, (u16, String)> {
    let token = verifier.verify(token.as_bytes()).await;
    token.map(|token| token.owner.as_str().to_owned()).map_err(|error| (error.status, error.message))
}

async fn why_not(verifier: &Verifier, token: &str) -> String {
    let (status, why) = owner_of(verifier, token).await.unwrap_err();
    assert_eq!(status, 401, "{why}");
    why
}

#[tokio::test]
async fn a_good_token_names_its_owner_and_its_end() {
    for signer in [Signer::ec("e"), Signer::ed("d"), Signer::rsa("r")] {
        let verifier = verifier(&[&signer]);
        let token = verifier.verify(signer.sign(&claims()).as_bytes()).await.unwrap();
        assert_eq!((token.owner.as_str(), token.until), ("ann", (FUTURE + 60) * 1000), "{}", signer.id);
        assert!(owner_of(&verifier, &signer.sign(&with("aud", json!(["other", "admin"])))).await.is_ok());
    }
}

#[tokio::test]
async fn claims_that_are_not_ours_are_refused() {
    let signer = Signer::ed("d");
    let verifier = verifier(&[&signer]);
    let now = now_ms() / 1000;
    for (name, value, expected) in [
        ("exp", json!(PAST), "expired"),
        ("exp", json!(now - 90), "expired"),
        ("exp", json!("soon"), "lacks a claim"),
        ("exp", Value::Null, "lacks a claim"),
        ("nbf", json!(FUTURE), "not good yet"),
        ("nbf", json!(now + 90), "not good yet"),
        ("iss", json!("https://evil.example"), "another issuer"),
        ("iss", Value::Null, "lacks a claim"),
        ("aud", json!("other"), "another audience"),
        ("aud", json!(["other"]), "another audience"),
        ("aud", json!([]), "another audience"),
        ("aud", Value::Null, "lacks a claim"),
        ("sub", Value::Null, "names no user"),
        ("sub", json!(7), "names no user"),
        ("sub", json!(""), "names no user"),
        ("sub", json!("local"), "names no user"),
        ("sub", json!("key:page"), "names no user"),
    ] {
        let why = why_not(&verifier, &signer.sign(&with(name, value.clone()))).await;
        assert!(why.contains(expected), "{name} {value}: {why}");
    }
    for (name, value) in [("exp", json!(now - 30)), ("nbf", json!(now + 30))] {
        assert!(owner_of(&verifier, &signer.sign(&with(name, value))).await.is_ok(), "{name} within the leeway");
    }
}

#[tokio::test]
async fn the_owner_is_the_claim_that_is_configured() {
    let signer = Signer::ed("d");
    let mut plan = plan(Some(Keys::Set(set(&[signer.public()]))), false);
    plan.owner_claim = "email".to_owned();
    let verifier = Verifier::new(plan, None).unwrap();
    assert!(owner_of(&verifier, &signer.sign(&claims())).await.is_err());
    let named = signer.sign(&with("email", json!("ann@example.com")));
    assert_eq!(owner_of(&verifier, &named).await.unwrap(), "ann@example.com");
}

fn forged(header: &Value, claims: &Value, signature: &[u8]) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.{}", part(header), part(claims), URL_SAFE_NO_PAD.encode(signature))
}

#[tokio::test]
async fn what_is_not_signed_by_our_key_is_refused() {
    let (ours, theirs) = (Signer::ed("d"), Signer::ed("d"));
    let verifier = verifier(&[&ours]);
    let good = ours.sign(&claims());
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let (header, _) = signed.split_once('.').unwrap();
    let other = URL_SAFE_NO_PAD.encode(with("sub", json!("bob")).to_string());
    for token in [
        theirs.sign(&claims()),
        format!("{header}.{other}.{signature}"),
        format!("{signed}."),
        format!("{good}x"),
        format!("{good}.x"),
        signed.to_owned(),
        "..".to_owned(),
        "a.b.c".to_owned(),
        forged(&json!({"alg": "none"}), &claims(), b""),
        forged(&json!({"alg": "None", "kid": "d"}), &claims(), b""),
        forged(&json!({"kid": "d"}), &claims(), b""),
        forged(&json!({"alg": "EdDSA", "kid": "d", "jwk": theirs.public()}), &claims(), &[0; 64]),
        ours.sign_as(&Header { crit: Some(vec!["b64".to_owned()]), ..Header::new(Algorithm::EdDSA) }, &claims()),
        format!("{}{good}", "a".repeat(15 << 10)),
    ] {
        why_not(&verifier, &token).await;
    }
    // A key that the token brings itself is not looked at.
    let header =
        Header { jwk: Some(serde_json::from_value(theirs.public()).unwrap()), ..Header::new(Algorithm::EdDSA) };
    why_not(&verifier, &theirs.sign_as(&header, &claims())).await;
    assert!(owner_of(&verifier, &good).await.is_ok());
}

#[tokio::test]
async fn a_public_key_is_no_secret_and_a_secret_no_public_key() {
    let rsa = Signer::rsa("r");
    let public = rsa.public();
    let plan = plan(Some(Keys::Set(set(std::slice::from_ref(&public)))), true);
    let verifier = Verifier::new(plan.clone(), None).unwrap();
    let hmac = |secret: &[u8]| Signer { id: "r", algorithm: Algorithm::HS256, key: EncodingKey::from_secret(secret) };
    // What somebody who knows the public key only could use as the secret.
    let modulus = public["n"].as_str().unwrap();
    for guess in [public.to_string().as_bytes(), modulus.as_bytes(), &URL_SAFE_NO_PAD.decode(modulus).unwrap(), b""] {
        why_not(&verifier, &hmac(guess).sign(&claims())).await;
    }
    assert!(owner_of(&verifier, &hmac(SECRET.as_bytes()).sign(&claims())).await.is_ok());
    assert!(owner_of(&verifier, &rsa.sign(&claims())).await.is_ok());
    // Without a secret of the configuration there is no HS256 at all.
    let without =
        Verifier::new(Jwt { secret: None, algorithms: Jwt::usual_algorithms(true, false), ..plan }, None).unwrap();
    assert_eq!(
        why_not(&without, &hmac(SECRET.as_bytes()).sign(&claims())).await,
        "the token's algorithm is not allowed"
    );
}

#[tokio::test]
async fn a_key_is_used_for_its_own_algorithm_and_found_by_its_id() {
    let (first, second) = (Signer::ed("one"), Signer::ed("two"));
    let both = verifier(&[&first, &second]);
    assert!(owner_of(&both, &second.sign(&claims())).await.is_ok());
    let nameless = |signer: &Signer| signer.sign_as(&Header::new(signer.algorithm), &claims());
    assert_eq!(why_not(&both, &nameless(&first)).await, "the token's key is not known");
    assert!(owner_of(&verifier(&[&first]), &nameless(&first)).await.is_ok());
    let stranger = Header { kid: Some("three".to_owned()), ..Header::new(Algorithm::EdDSA) };
    assert_eq!(why_not(&both, &first.sign_as(&stranger, &claims())).await, "the token's key is not known");
    let rsa = Signer::rsa("r");
    let pss = Header { kid: Some("r".to_owned()), ..Header::new(Algorithm::PS256) };
    assert_eq!(why_not(&verifier(&[&rsa]), &rsa.sign_as(&pss, &claims())).await, "the token's key is not known");
}

#[test]
fn only_public_keys_for_signatures_are_taken_from_a_set() {
    let good = Signer::ed("d").public();
    let other = |member: &str, value: Value| {
        let mut key = good.clone();
        key[member] = value;
        key
    };
    let useless = [
        json!({"kty": "oct", "kid": "s", "k": "c2VjcmV0", "alg": "HS256"}),
        json!({"kty": "unheard", "kid": "u"}),
        other("use", json!("enc")),
        other("alg", json!("RS256")),
        other("crv", json!("Ed448")),
        json!(7),
    ];
    for text in [
        json!({ "keys": useless }).to_string(),
        json!({"keys": []}).to_string(),
        json!({"key": []}).to_string(),
        "<html>".to_owned(),
        String::new(),
    ] {
        assert!(KeySet::parse(text.as_bytes()).is_err(), "{text}");
    }
    let mut keys = useless.to_vec();
    keys.push(good.clone());
    let set = set(&keys);
    assert!(set.find(Some("d"), Algorithm::EdDSA).is_some() && set.find(None, Algorithm::EdDSA).is_some());
    assert!(set.find(Some("s"), Algorithm::HS256).is_none() && set.find(Some("d"), Algorithm::RS256).is_none());
}

/// Keys somewhere else, which tests may change, and how often they were asked for.
#[derive(Clone, Default)]
struct Elsewhere {
    keys: Arc<Mutex<Vec<Value>>>,
    asked: Arc<AtomicUsize>,
}

impl Elsewhere {
    fn show(&self, signers: &[&Signer]) {
        *self.keys.lock().unwrap() = signers.iter().map(|signer| signer.public()).collect();
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// What is there now; an error where nothing is.
    fn fetch(&self) -> Fetching {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let keys = self.keys.lock().unwrap().clone();
        Box::pin(async move { if keys.is_empty() { Err("down".to_owned()) } else { Ok(set(&keys)) } })
    }

    fn verifier(&self, refresh: Duration) -> Verifier {
        let here = self.clone();
        let jwks = Jwks::start(Box::new(move || here.fetch()), refresh);
        let plan = plan(Some(Keys::Url("unused".to_owned(), refresh)), false);
        Verifier { plan, jwks: Some(Arc::new(jwks)), secret: None }
    }
}

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test(start_paused = true)]
async fn a_new_key_is_fetched_when_a_token_names_it() {
    let (old, new) = (Signer::ed("old"), Signer::ed("new"));
    let there = Elsewhere::default();
    there.show(&[&old]);
    let verifier = there.verifier(HOUR);
    assert!(owner_of(&verifier, &old.sign(&claims())).await.is_ok());
    there.show(&[&new]);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(
        owner_of(&verifier, &old.sign(&claims())).await.is_ok(),
        "the key at hand is good until it is fetched anew"
    );
    assert_eq!(there.asked(), 1);
    assert!(owner_of(&verifier, &new.sign(&claims())).await.is_ok());
    assert_eq!(there.asked(), 2);
    why_not(&verifier, &old.sign(&claims())).await;
}

#[tokio::test(start_paused = true)]
async fn tokens_with_invented_keys_do_not_make_us_ask_all_the_time() {
    let (ours, theirs) = (Signer::ed("ours"), Signer::ed("theirs"));
    let there = Elsewhere::default();
    there.show(&[&ours]);
    let verifier = there.verifier(HOUR);
    let begin = tokio::time::Instant::now();
    for _ in 0..1000 {
        why_not(&verifier, &theirs.sign(&claims())).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let most = begin.elapsed().as_secs() / 10 + 1;
    assert!(there.asked() as u64 <= most, "{} in {:?}", there.asked(), begin.elapsed());
    assert!(there.asked() > 2);
}

#[tokio::test(start_paused = true)]
async fn keys_are_fetched_again_in_time_and_stay_good_while_they_cannot_be() {
    let (old, new) = (Signer::ed("one"), Signer::ed("one"));
    let there = Elsewhere::default();
    there.show(&[&old]);
    let verifier = there.verifier(HOUR);
    assert!(owner_of(&verifier, &old.sign(&claims())).await.is_ok());
    there.show(&[]);
    tokio::time::sleep(3 * HOUR).await;
    assert!(owner_of(&verifier, &old.sign(&claims())).await.is_ok());
    there.show(&[&new]);
    tokio::time::sleep(Duration::from_secs(60)).await;
    why_not(&verifier, &old.sign(&claims())).await;
    assert!(owner_of(&verifier, &new.sign(&claims())).await.is_ok());
}

#[tokio::test]
async fn a_reload_keeps_the_keys_of_the_same_address() {
    let at = |url: &str, refresh| plan(Some(Keys::Url(url.to_owned(), refresh)), false);
    let first = Verifier::new(at("http://127.0.0.1:9/", HOUR), None).unwrap();
    let same = |url: &str, refresh| {
        let next = Verifier::new(at(url, refresh), Some(&first)).unwrap();
        Arc::ptr_eq(next.jwks.as_ref().unwrap(), first.jwks.as_ref().unwrap())
    };
    assert!(same("http://127.0.0.1:9/", HOUR));
    assert!(!same("http://127.0.0.1:9/other", HOUR) && !same("http://127.0.0.1:9/", 2 * HOUR));
}

#[tokio::test(start_paused = true)]
async fn without_any_keys_the_token_is_not_to_blame() {
    let signer = Signer::ed("d");
    let there = Elsewhere::default();
    let verifier = there.verifier(HOUR);
    assert_eq!(owner_of(&verifier, &signer.sign(&claims())).await.unwrap_err().0, 503);
    there.show(&[&signer]);
    tokio::time::sleep(Duration::from_secs(31)).await;
    assert!(owner_of(&verifier, &signer.sign(&claims())).await.is_ok());
    let task = verifier.jwks.as_ref().unwrap().task.clone();
    drop(verifier);
    tokio::task::yield_now().await;
    assert!(task.is_finished(), "nobody asks for keys that nobody needs");
}
