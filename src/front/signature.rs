//! Signatures of tokens, checked by ring: the cryptography that `jsonwebtoken` leaves to others (RFC 7518 §3, RFC 8037).

use jsonwebtoken::crypto::{CryptoProvider, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::signature::{self, Verifier};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters, RsaPublicKeyComponents,
    UnparsedPublicKey, VerificationAlgorithm,
};

static RING: CryptoProvider = CryptoProvider {
    signer_factory: |_, _| Err(Error::from(ErrorKind::UnsupportedAlgorithm)),
    verifier_factory: |algorithm, key| Ok(Box::new(Check::new(*algorithm, key)?)),
    key_utils: KeyUtils::new_unimplemented(),
};

/// Has `jsonwebtoken` check signatures by ring, in this process.
pub(super) fn install() {
    // A second call finds that of the first.
    let _ = RING.install_default();
}

/// One algorithm with a key that fits it.
struct Check {
    algorithm: Algorithm,
    by: By,
    key: DecodingKey,
}

/// What the algorithm is to ring.
enum By {
    Rsa(&'static RsaParameters),
    Curve(&'static dyn VerificationAlgorithm),
}

impl Check {
    /// Fails for algorithms that share a secret, which no key of a provider's set may be taken for.
    fn new(algorithm: Algorithm, key: &DecodingKey) -> Result<Self, Error> {
        let by = match algorithm {
            Algorithm::RS256 => By::Rsa(&RSA_PKCS1_2048_8192_SHA256),
            Algorithm::RS384 => By::Rsa(&RSA_PKCS1_2048_8192_SHA384),
            Algorithm::RS512 => By::Rsa(&RSA_PKCS1_2048_8192_SHA512),
            Algorithm::PS256 => By::Rsa(&RSA_PSS_2048_8192_SHA256),
            Algorithm::PS384 => By::Rsa(&RSA_PSS_2048_8192_SHA384),
            Algorithm::PS512 => By::Rsa(&RSA_PSS_2048_8192_SHA512),
            Algorithm::ES256 => By::Curve(&ECDSA_P256_SHA256_FIXED),
            Algorithm::ES384 => By::Curve(&ECDSA_P384_SHA384_FIXED),
            Algorithm::EdDSA => By::Curve(&ED25519),
            _ => return Err(ErrorKind::InvalidAlgorithm.into()),
        };
        Ok(Self { algorithm, by, key: key.clone() })
    }
}

impl Verifier<Vec<u8>> for Check {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        let right = match (&self.by, self.key.kind()) {
            (By::Rsa(parameters), DecodingKeyKind::RsaModulusExponent { n, e }) => {
                RsaPublicKeyComponents { n, e }.verify(parameters, message, signature).is_ok()
            }
            (By::Curve(algorithm), DecodingKeyKind::SecretOrDer(point)) => {
                UnparsedPublicKey::new(*algorithm, point).verify(message, signature).is_ok()
            }
            _ => false,
        };
        if right { Ok(()) } else { Err(signature::Error::new()) }
    }
}

impl JwtVerifier for Check {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}
