//! Keys and certificates made by openssl for one run, tokens signed with them, and TLS from the client's side.
#![allow(dead_code)] // each test program uses its own part

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaKeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A folder of its own for keys and certificates; removed with it.
pub struct Pki {
    pub dir: PathBuf,
}

impl Pki {
    pub fn new() -> Self {
        let dir = std::env::temp_dir().join(format!("kalends-pki-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir(&dir).expect("a folder of its own");
        Self { dir }
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// An authority: `NAME.pem` and `NAME.key`.
    pub fn authority(&self, name: &str) {
        self.certificate(name, &["-days", "2", "-subj", &format!("/CN={name}")]);
    }

    /// A certificate signed by an authority for these names, as `DNS:a,IP:127.0.0.1`.
    pub fn signed(&self, name: &str, authority: &str, names: &str) {
        let path = |ending: &str| self.file(&format!("{authority}.{ending}")).display().to_string();
        let (subject, names) = (format!("/CN={name}"), format!("subjectAltName={names}"));
        let (signer, key) = (path("pem"), path("key"));
        let mut arguments = vec!["-days", "2", "-subj", &subject, "-addext", &names];
        arguments.extend(["-addext", "basicConstraints=critical,CA:FALSE", "-CA", &signer, "-CAkey", &key]);
        self.certificate(name, &arguments);
    }

    /// One that has expired.
    pub fn expired(&self, name: &str, authority: &str, names: &str) {
        // OpenSSL 3.0 dates certificates of `req` from now, and those of `ca` as it is told.
        let path = |file: String| self.file(&file).display().to_string();
        let (request, key) = (path(format!("{name}.csr")), path(format!("{name}.key")));
        let subject = format!("/CN={name}");
        run(&[
            "req", "-new", "-newkey", "ec", "-pkeyopt", CURVE, "-nodes", "-subj", &subject, "-keyout", &key,
            "-out", &request,
        ]);
        let configuration = path(format!("{name}.cnf"));
        let text = format!(
            "[ca]\ndefault_ca=d\n[d]\ndatabase={dir}/{name}.txt\nnew_certs_dir={dir}\nrand_serial=yes\ndefault_md=sha256\n\
             policy=p\nx509_extensions=x\n[p]\ncommonName=supplied\n[x]\nsubjectAltName={names}\n",
            dir = self.dir.display()
        );
        std::fs::write(&configuration, text).expect("a file");
        std::fs::write(self.file(&format!("{name}.txt")), "").expect("a file");
        let (signer, signer_key) = (path(format!("{authority}.pem")), path(format!("{authority}.key")));
        run(&[
            "ca",
            "-batch",
            "-notext",
            "-config",
            &configuration,
            "-startdate",
            "20200101000000Z",
            "-enddate",
            "20200102000000Z",
            "-cert",
            &signer,
            "-keyfile",
            &signer_key,
            "-in",
            &request,
            "-out",
            &path(format!("{name}.pem")),
        ]);
    }

    fn certificate(&self, name: &str, more: &[&str]) {
        let path = |ending: &str| self.file(&format!("{name}.{ending}")).display().to_string();
        let (key, certificate) = (path("key"), path("pem"));
        let mut arguments = vec!["req", "-x509", "-newkey", "ec", "-pkeyopt", CURVE, "-nodes"];
        arguments.extend(["-keyout", &key, "-out", &certificate]);
        arguments.extend(more);
        run(&arguments);
    }
}

const CURVE: &str = "ec_paramgen_curve:prime256v1";

fn run(arguments: &[&str]) {
    let made =
        Command::new("openssl").args(arguments).stderr(Stdio::piped()).output().expect("openssl is there");
    assert!(made.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&made.stderr));
}

impl Drop for Pki {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// A client of TLS that trusts the authority `ca` and shows the certificate of this name; of none, if it is empty.
pub fn client(pki: &Pki, name: &str, versions: &[&'static SupportedProtocolVersion]) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(pki.file("ca.pem")).expect("an authority"))
        .expect("an authority");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .expect("versions")
        .with_root_certificates(roots);
    if name.is_empty() {
        return builder.with_no_client_auth();
    }
    let chain = vec![CertificateDer::from_pem_file(pki.file(&format!("{name}.pem"))).expect("a certificate")];
    let key = PrivateKeyDer::from_pem_file(pki.file(&format!("{name}.key"))).expect("a key");
    builder.with_client_auth_cert(chain, key).expect("a key that goes with it")
}

/// The handshake with a server called `localhost`.
pub async fn handshake<S: AsyncRead + AsyncWrite + Unpin>(
    config: &Arc<ClientConfig>,
    stream: S,
) -> std::io::Result<TlsStream<S>> {
    let name = ServerName::try_from("localhost").expect("a name");
    let shaking = TlsConnector::from(Arc::clone(config)).connect(name, stream);
    tokio::time::timeout(Duration::from_secs(20), shaking).await.expect("the server does something")
}

/// A key that signs tokens.
pub struct Signer {
    pub id: &'static str,
    algorithm: &'static str,
    secret: Secret,
    /// The key as it stands in a set.
    pub jwk: Value,
}

enum Secret {
    Rsa(RsaKeyPair, &'static dyn signature::RsaEncoding),
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

pub static RSA: LazyLock<Signer> =
    LazyLock::new(|| Signer::rsa("rsa", "RS256", &signature::RSA_PKCS1_SHA256));
pub static PSS: LazyLock<Signer> = LazyLock::new(|| Signer::rsa("pss", "PS512", &signature::RSA_PSS_SHA512));
pub static ROTATED: LazyLock<Signer> =
    LazyLock::new(|| Signer::rsa("rotated", "RS256", &signature::RSA_PKCS1_SHA256));
pub static EC: LazyLock<Signer> = LazyLock::new(|| {
    let der = generate(&["-algorithm", "EC", "-pkeyopt", CURVE]);
    let kind = &signature::ECDSA_P256_SHA256_FIXED_SIGNING;
    let pair = EcdsaKeyPair::from_pkcs8(kind, &der, &SystemRandom::new()).expect("a key");
    let point = pair.public_key().as_ref().to_vec();
    let jwk = json!({"kty": "EC", "kid": "ec", "crv": "P-256", "x": encode(&point[1..33]), "y": encode(&point[33..])});
    Signer { id: "ec", algorithm: "ES256", secret: Secret::Ec(pair), jwk }
});
pub static ED: LazyLock<Signer> = LazyLock::new(|| {
    let pair =
        Ed25519KeyPair::from_pkcs8_maybe_unchecked(&generate(&["-algorithm", "ED25519"])).expect("a key");
    let jwk = json!({"kty": "OKP", "kid": "ed", "crv": "Ed25519", "x": encode(pair.public_key().as_ref())});
    Signer { id: "ed", algorithm: "EdDSA", secret: Secret::Ed(pair), jwk }
});

impl Signer {
    fn rsa(id: &'static str, algorithm: &'static str, padding: &'static dyn signature::RsaEncoding) -> Self {
        let der = generate(&["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]);
        let pair = RsaKeyPair::from_pkcs8(&der).expect("a key");
        let public = ring::rsa::PublicKeyComponents::<Vec<u8>>::from(pair.public());
        let jwk = json!({"kty": "RSA", "kid": id, "use": "sig", "alg": algorithm, "n": encode(&public.n), "e": encode(&public.e)});
        Self { id, algorithm, secret: Secret::Rsa(pair, padding), jwk }
    }

    /// A token with these claims.
    pub fn sign(&self, claims: &Value) -> String {
        self.sign_with(&json!({"alg": self.algorithm, "kid": self.id, "typ": "JWT"}), claims)
    }

    /// One whose header says something else.
    pub fn sign_with(&self, header: &Value, claims: &Value) -> String {
        let message = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
        let (random, bytes) = (SystemRandom::new(), message.as_bytes());
        let signature = match &self.secret {
            Secret::Rsa(pair, padding) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(*padding, &random, bytes, &mut signature).expect("a signature");
                signature
            }
            Secret::Ec(pair) => pair.sign(&random, bytes).expect("a signature").as_ref().to_vec(),
            Secret::Ed(pair) => pair.sign(bytes).as_ref().to_vec(),
        };
        format!("{message}.{}", encode(signature))
    }
}

fn generate(arguments: &[&str]) -> Vec<u8> {
    let made = Command::new("openssl")
        .args([&["genpkey"][..], arguments].concat())
        .stderr(Stdio::null())
        .output()
        .expect("openssl is there");
    assert!(made.status.success(), "openssl makes a key");
    // In DER it would be of an older form.
    PrivatePkcs8KeyDer::from_pem_slice(&made.stdout).expect("a key").secret_pkcs8_der().to_vec()
}

pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}
