//! `amt_device`: one machine that is set up, and calls to it by WS-Man.

use crate::argument::{self, Out};
use crate::certificate::amt_certificate;
use crate::document::amt_document;
use crate::error::amt_error;
use crate::guard::guard;
use crate::handle::{self, Exclusive, Object};
use crate::job::legacy_tls;
use crate::status::amt_status;
use amt::blocking::{self, Canceller, Session};
use amt::certificate::authorities;
use amt::device::{Device, Transport};
use amt::tls::ClientCertificates;
use amt::{Administrator, ProvisioningCertificate};
use amt_core::tls::{LegacyTls, PeerIdentity, TlsOutcome};
use amt_core::{Failure, Secret};
use amt_wsman::client::Credentials;
use amt_wsman::compose;
use amt_wsman::decode::Description;
use amt_wsman::op::{Reply, Request};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::ffi::c_char;
use std::net::SocketAddr;

/// A machine and a connection to it. One call at a time, except `amt_device_cancel`, which any thread may call at any time.
pub struct amt_device {
    canceller: Canceller,
    contact: Exclusive<Contact>,
}

impl Object for amt_device {
    const TAG: u32 = 0x414d_540a;
    const NAME: &'static str = "amt_device";
}

impl amt_device {
    /// Does something of several calls on its session, and waits on the calling thread.
    pub(crate) fn operate<T>(
        &self,
        operation: impl AsyncFnOnce(&mut Device) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.contact.enter::<Self>()?.session(&self.canceller)?.operate(operation)
    }

    /// The machine's administrator, for what has connections of its own.
    pub(crate) fn administrator(&self) -> Result<Administrator, Failure> {
        self.contact.enter::<Self>()?.administrator()
    }

    /// Does something with connections of its own, and waits on the calling thread.
    pub(crate) fn administer<T>(
        &self,
        operation: impl AsyncFnOnce(&Administrator) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        // Held until the answer is there: what is asked meanwhile is told that the handle is busy.
        let contact = self.contact.enter::<Self>()?;
        blocking::wait(operation(&contact.administrator()?), &self.canceller)
    }
}

/// How the machine is reached, and the session once there was a call.
struct Contact {
    address: SocketAddr,
    /// 0: that of the transport.
    port: u16,
    user: String,
    password: Secret<String>,
    /// There is no safe default.
    transport: Option<Transport>,
    consent: LegacyTls,
    client: ClientCertificates,
    session: Option<Session>,
}

/// Makes a device for the machine at this IP address (text; `fe80::1%eth0` with its interface) into `*out`; free it with
/// `amt_device_free`. `port` 0 is the usual one: 16993, or 16992 without TLS. Nothing is sent before the first call, which needs one of the `amt_device_trust_` functions before it: there is
/// no safe default for whom to take the machine for.
///
/// # Safety
/// `address`, `user` and `password` are null or readable for their lengths; `out` is null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_device_new(
    address: *const c_char,
    address_len: usize,
    port: u16,
    user: *const c_char,
    user_len: usize,
    password: *const c_char,
    password_len: usize,
    out: *mut *mut amt_device,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe {
        guard(err, || {
            let out = Out::handle("out", out)?;
            let address = argument::place("address", address, address_len, port)?;
            let user = argument::text("user", user, user_len)?.to_owned();
            let password = Secret::from(argument::text("password", password, password_len)?);
            let contact = Contact {
                address,
                port,
                user,
                password,
                transport: None,
                consent: LegacyTls::Refuse,
                client: ClientCertificates::default(),
                session: None,
            };
            out.give(amt_device { canceller: Canceller::default(), contact: Exclusive::new(contact) });
            Ok(())
        })
    }
}

/// Accepts any certificate of the machine: whoever is in between reads and changes everything.
///
/// # Safety
/// `device` is null or a handle; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_device_trust_any(device: *mut amt_device, err: *mut *mut amt_error) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe { trust(device, err, || Ok(Transport::Tls(PeerIdentity::Any))) }
}

/// Accepts only the certificate whose DER has this SHA-256: 32 bytes.
///
/// # Safety
/// `device` is null or a handle; `sha256` is null or readable for `len` bytes; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_device_trust_pin(
    device: *mut amt_device,
    sha256: *const u8,
    len: usize,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe { trust(device, err, || Ok(Transport::Tls(PeerIdentity::Fingerprint(argument::sha256(sha256, len)?)))) }
}

/// Accepts certificates of these authorities (PEM, one or several) that carry `name`, the machine's host name.
///
/// # Safety
/// `device` is null or a handle; `roots` and `name` are null or readable for their lengths; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_device_trust_roots(
    device: *mut amt_device,
    roots: *const u8,
    roots_len: usize,
    name: *const c_char,
    name_len: usize,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        trust(device, err, || {
            let roots = authorities(argument::bytes("roots", roots, roots_len)?)?;
            let name = argument::text("name", name, name_len)?.to_owned();
            if name.is_empty() {
                return Err(argument::invalid("name is empty"));
            }
            Ok(Transport::Tls(PeerIdentity::Verified { roots, name }))
        })
    }
}

/// No TLS at all: firmware before 16.1 only, and readable by everyone on the way.
///
/// # Safety
/// `device` is null or a handle; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_device_trust_plain(device: *mut amt_device, err: *mut *mut amt_error) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe { trust(device, err, || Ok(Transport::Plain)) }
}

/// Whether old TLS may be used, one of `AMT_LEGACY_TLS_`: AMT before 14 speaks nothing else, and a build with the legacy engine is needed for it. Until
/// told otherwise it is refused, and such a machine fails with `AMT_E_TLS_LEGACY_NOT_ALLOWED`. A session that stands is ended.
///
/// # Safety
/// `device` is null or a handle; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_device_set_legacy_tls(
    device: *mut amt_device,
    consent: u32,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe {
        guard(err, || {
            let device = handle::lease(device)?;
            let mut contact = device.contact.enter::<amt_device>()?;
            contact.consent = legacy_tls(consent)?;
            contact.session = None;
            Ok(())
        })
    }
}

/// The certificate to show to a machine with mutual TLS, which lets in only those whose certificate it trusts; machines that ask for none are not
/// shown it. `certificate` has its issuers and its key with it, and is not kept. A session that stands is ended. Fails with `AMT_E_PFX_OPEN`
/// without exactly one private key that belongs to the leaf. A certificate that the machine refuses ends calls with `AMT_E_TLS_CLIENT_REFUSED`.
///
/// # Safety
/// `device` and `certificate` are null or handles; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_device_set_client_certificate(
    device: *mut amt_device,
    certificate: *const amt_certificate,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe {
        guard(err, || {
            let pair = ProvisioningCertificate::try_from(handle::lease(certificate)?.bundle().clone())?;
            let device = handle::lease(device)?;
            let mut contact = device.contact.enter::<amt_device>()?;
            contact.client = ClientCertificates::of(&pair)?;
            contact.session = None;
            Ok(())
        })
    }
}

/// Reads the instance of `class` that `selectors` choose (a JSON object of names and values; empty for the only one) into `*reply`, to be
/// freed with `amt_document_free`.
///
/// A reply is a JSON object with `kind`, `class`, `method`, `return_value` and `items`: a list of objects with `class` and
/// `properties`, which has one here. All values are text; repeated properties are arrays.
///
/// # Safety
/// `device` is null or a handle; `class_name` and `selectors` are null or readable for their lengths; `reply` is null or writable; `err` is
/// null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_device_get(
    device: *mut amt_device,
    class_name: *const c_char,
    class_name_len: usize,
    selectors: *const c_char,
    selectors_len: usize,
    reply: *mut *mut amt_document,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        call(device, reply, err, || {
            let class = class(class_name, class_name_len)?;
            compose::selectors(Request::get(class), argument::text("selectors", selectors, selectors_len)?)
        })
    }
}

/// Replaces the instance of `class` that `selectors` choose (as in `amt_device_get`) by `instance`: what `amt_device_get` brought, whole and with the
/// changes made, or an object of the properties alone. The reply has the instance as the machine has it now.
///
/// # Safety
/// `device` is null or a handle; `class_name`, `instance` and `selectors` are null or readable for their lengths; `reply` is null or writable;
/// `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_device_put(
    device: *mut amt_device,
    class_name: *const c_char,
    class_name_len: usize,
    instance: *const c_char,
    instance_len: usize,
    selectors: *const c_char,
    selectors_len: usize,
    reply: *mut *mut amt_document,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        call(device, reply, err, || {
            let instance = argument::text("instance", instance, instance_len)?;
            let instance = compose::instance(class(class_name, class_name_len)?, instance)?;
            compose::selectors(Request::put(&instance), argument::text("selectors", selectors, selectors_len)?)
        })
    }
}

/// Calls a method of the instance of `class` that `selectors` choose (as in `amt_device_get`). `arguments` is a JSON object, in the order of the
/// method's definition; empty for none. The reply's item is the method's output. A ReturnValue other than 0 is a failure,
/// `AMT_E_RETURN_VALUE`, whose error has it as what the device said.
///
/// # Safety
/// `device` is null or a handle; `class_name`, `method`, `arguments` and `selectors` are null or readable for their lengths; `reply` is null or
/// writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_device_invoke(
    device: *mut amt_device,
    class_name: *const c_char,
    class_name_len: usize,
    method: *const c_char,
    method_len: usize,
    arguments: *const c_char,
    arguments_len: usize,
    selectors: *const c_char,
    selectors_len: usize,
    reply: *mut *mut amt_document,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        call(device, reply, err, || {
            let method = argument::text("method", method, method_len)?;
            compose::check_name("method", method)?;
            let request = Request::invoke(class(class_name, class_name_len)?, method);
            let request = compose::arguments(request, argument::text("arguments", arguments, arguments_len)?)?;
            compose::selectors(request, argument::text("selectors", selectors, selectors_len)?)
        })
    }
}

/// Lists all instances of `class`: the reply has an item for each.
///
/// # Safety
/// `device` is null or a handle; `class_name` is null or readable for its length; `reply` is null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_device_enumerate(
    device: *mut amt_device,
    class_name: *const c_char,
    class_name_len: usize,
    reply: *mut *mut amt_document,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe { call(device, reply, err, || Ok(Request::enumerate(class(class_name, class_name_len)?))) }
}

/// Facts of the connection as JSON: `address`, `firmware` (the version, null before the machine has answered), and `tls`, null before the first
/// handshake or without TLS: `version`, `suite`, `engine` and `certificate_sha256`, which `amt_device_trust_pin` takes.
///
/// # Safety
/// `device` is null or a handle; `out` is null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_device_connection(
    device: *mut amt_device,
    out: *mut *mut amt_document,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe {
        guard(err, || {
            let out = Out::handle("out", out)?;
            let device = handle::lease(device)?;
            let facts = device.contact.enter::<amt_device>()?.facts();
            out.give(amt_document::new(facts));
            Ok(())
        })
    }
}

/// Ends the call that is under way in another thread, and every later one, with `AMT_E_CANCELLED`. What the machine was sent it may have
/// done.
///
/// # Safety
/// `device` is null or a handle; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_device_cancel(device: *const amt_device, err: *mut *mut amt_error) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe {
        guard(err, || {
            handle::lease(device)?.canceller.cancel();
            Ok(())
        })
    }
}

/// Frees `device` and ends its connection. Null does nothing; while a call is inside, `AMT_E_BUSY` is returned and nothing is freed.
///
/// # Safety
/// `device` is null or a handle, not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_device_free(device: *mut amt_device) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe { guard(std::ptr::null_mut(), || handle::free(device)) }
}

/// Whom to take the machine for; a session that stands is ended.
///
/// # Safety
/// As for the functions above.
unsafe fn trust(
    device: *mut amt_device,
    err: *mut *mut amt_error,
    transport: impl FnOnce() -> Result<Transport, Failure>,
) -> amt_status {
    // SAFETY: the caller keeps the contract of the functions above; the rest is checked inside.
    unsafe {
        guard(err, || {
            let device = handle::lease(device)?;
            let mut contact = device.contact.enter::<amt_device>()?;
            contact.transport = Some(transport()?);
            contact.session = None;
            Ok(())
        })
    }
}

/// # Safety
/// As for the functions above.
unsafe fn call(
    device: *mut amt_device,
    reply: *mut *mut amt_document,
    err: *mut *mut amt_error,
    request: impl FnOnce() -> Result<Request, Failure>,
) -> amt_status {
    // SAFETY: the caller keeps the contract of the functions above; the rest is checked inside.
    unsafe {
        guard(err, || {
            let out = Out::handle("reply", reply)?;
            let device = handle::lease(device)?;
            let mut contact = device.contact.enter::<amt_device>()?;
            let request = request()?;
            let reply = contact.session(&device.canceller)?.call(&request)?;
            out.give(amt_document::new(describe(&request, &reply)?.to_json()));
            Ok(())
        })
    }
}

/// # Safety
/// `data` is null or readable for `len` bytes as long as the text is used.
unsafe fn class<'a>(data: *const c_char, len: usize) -> Result<&'a str, Failure> {
    // SAFETY: as promised by the caller.
    let class = unsafe { argument::text("class_name", data, len) }?;
    compose::check_name("class_name", class).map(|()| class)
}

/// What `amt wsman --json` shows.
fn describe(request: &Request, reply: &Reply) -> Result<Description, Failure> {
    let items = match request.method() {
        Some(_) => vec![reply.output().map_err(|error| error.failure("read"))?.clone()],
        None => reply.instances().to_vec(),
    };
    Ok(Description::answer(request.class(), request.method(), reply.return_value(), items))
}

impl Contact {
    /// The session, made at the first call.
    fn session(&mut self, canceller: &Canceller) -> Result<&mut Session, Failure> {
        let (address, transport, credentials) = self.way()?;
        match &mut self.session {
            Some(session) => Ok(session),
            none => {
                let session = Session::new(address, transport, credentials)?.legacy_tls(self.consent);
                let session = session.client_certificates(self.client.clone());
                Ok(none.insert(session.cancelled_by(canceller.clone())))
            }
        }
    }

    fn administrator(&self) -> Result<Administrator, Failure> {
        let (address, transport, credentials) = self.way()?;
        let administrator = Administrator::new(address, transport, credentials, self.consent)?;
        Ok(administrator.client_certificates(self.client.clone()))
    }

    fn way(&self) -> Result<(SocketAddr, Transport, Credentials), Failure> {
        let Some(transport) = self.transport.clone() else {
            let text = "nothing says whom to take the machine for";
            return Err(argument::invalid(text).hint("call amt_device_trust_roots, _pin, _any or _plain before"));
        };
        let usual = if matches!(transport, Transport::Plain) { 16992 } else { 16993 };
        let mut address = self.address;
        address.set_port(if self.port == 0 { usual } else { self.port });
        let credentials = Credentials { user: self.user.clone(), password: self.password.clone() };
        Ok((address, transport, credentials))
    }

    fn facts(&self) -> Value {
        let session = self.session.as_ref();
        json!({
            "address": self.address.ip().to_string(),
            "firmware": session.and_then(Session::version).map(|version| version.to_string()),
            "tls": session.and_then(Session::tls).map(tls_facts),
        })
    }
}

fn tls_facts(tls: &TlsOutcome) -> Value {
    json!({
        "version": tls.version.to_string(),
        "suite": tls.suite,
        "engine": tls.engine,
        "certificate_sha256": tls.peer.first().map(|leaf| hex::encode(Sha256::digest(leaf))),
    })
}
