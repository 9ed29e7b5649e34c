//! TLS to the database: what is checked, and what to do when the check fails.

use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_platform_verifier::Verifier;
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::config::{Database, Tls};
use crate::db::error::Error;

/// What the driver makes its TLS connections with.
pub(super) fn connector(settings: &Database) -> Result<MakeRustlsConnect, Error> {
    let provider = Arc::new(ring::default_provider());
    let verifier = verifier(settings, &provider)?;
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::Bug(Box::new(error)))?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"postgresql".to_vec()];
    Ok(MakeRustlsConnect::new(config))
}

/// What to do about a failed handshake, where that can be said.
pub(super) fn advice(error: &tokio_postgres::Error) -> Option<String> {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        // An io::Error hides the error it carries behind that one's own source.
        let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        let tls = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>());
        if let Some(tls) = tls.or_else(|| error.downcast_ref()) {
            return Some(explain(tls));
        }
        cause = error.source();
    }
    let lacking = std::error::Error::source(error)?.to_string() == "server does not support TLS";
    lacking.then(|| {
        "the database offers no TLS: switch it on there (ssl = on), or set database.tls = \"prefer\" where the way to it \
         is safe"
            .to_owned()
    })
}

fn explain(error: &rustls::Error) -> String {
    let text = error.to_string();
    let rustls::Error::InvalidCertificate(fault) = error else {
        return format!("no TLS to the database: {text}");
    };
    let cure = match fault {
        CertificateError::UnknownIssuer => {
            "set database.ca_file to the certificate of the authority that signed it (PEM)"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "let database.url name the host as the certificate does, or issue one with that name"
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "renew it, and look at the clock"
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => "look at the clock",
        // A certificate that signed itself, as `openssl req -x509` makes it, is an authority to rustls and no server's.
        _ if text.contains("CaUsedAsEndEntity") => {
            "it signed itself; make an authority of your own that signs the server's certificate and set \
             database.ca_file to the authority's, or set database.tls = \"require\", which encrypts and checks nothing"
        }
        _ => "have it issued anew",
    };
    format!("the certificate of the database will not do ({text}): {cure}")
}

fn verifier(
    settings: &Database,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, Error> {
    let file = settings.ca_file.as_path();
    let named = !file.as_os_str().is_empty();
    match settings.tls {
        Tls::VerifyFull if named => authority(file, provider),
        Tls::VerifyFull => Verifier::new(Arc::clone(provider))
            .map(|verifier| Arc::new(verifier) as Arc<dyn ServerCertVerifier>)
            .map_err(|error| {
                Error::Setup(format!(
                    "the system's certificates cannot be used ({error}): set database.ca_file"
                ))
            }),
        Tls::Require | Tls::Prefer | Tls::Disable if named => Err(Error::Setup(format!(
            "database.ca_file is set, but database.tls = \"{}\" checks no certificate: set database.tls = \"verify-full\"",
            settings.tls
        ))),
        Tls::Require | Tls::Prefer | Tls::Disable => Ok(Arc::new(Unchecked(Arc::clone(provider)))),
    }
}

fn authority(file: &Path, provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, Error> {
    let failed = |error: &dyn std::fmt::Display| {
        Error::Setup(format!("database.ca_file {} cannot be used: {error}", file.display()))
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file).map_err(|e| failed(&e))? {
        roots.add(certificate.map_err(|e| failed(&e))?).map_err(|e| failed(&e))?;
    }
    if roots.is_empty() {
        return Err(failed(&"it holds no certificate in PEM (-----BEGIN CERTIFICATE-----)"));
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
    Ok(verifier.build().map_err(|e| failed(&e))?)
}

/// Encrypts to whoever answers, as `sslmode=require` does everywhere.
#[derive(Debug)]
struct Unchecked(Arc<CryptoProvider>);

impl ServerCertVerifier for Unchecked {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
