/*
 * C interface of the AMT provisioning library. docs/abi.md tells the rules.
 *
 * Generated from amt-ffi by `cargo xtask check-abi --bless`; do not edit.
 */

#ifndef AMT_H
#define AMT_H

#include <stddef.h>
#include <stdint.h>

/**
 * Flag of `amt_certificate_preflight`: the machine's network has no DNS suffix, neither from DHCP nor set in the firmware.
 */
#define AMT_PREFLIGHT_NO_SUFFIX 1

/**
 * Flag of `amt_certificate_preflight`: the address at hand belongs to the machine's wireless adapter.
 */
#define AMT_PREFLIGHT_WIRELESS 2

/**
 * What to do: pass a valid pointer; see the function's documentation for which may be null.
 */
#define AMT_E_NULL_POINTER 1

/**
 * What to do: pass a handle made by the matching _new function and not yet freed.
 */
#define AMT_E_BAD_HANDLE 2

/**
 * What to do: make one call at a time on a handle, or use one handle per thread.
 */
#define AMT_E_BUSY 3

/**
 * What to do: free the handle and make a new one; report the earlier panic.
 */
#define AMT_E_POISONED 4

/**
 * What to do: this is a bug in the library: please report it with the message; the handle can only be freed.
 */
#define AMT_E_PANIC 5

/**
 * What to do: call poll until it returns nothing before the next handle.
 */
#define AMT_E_NOT_DRAINED 6

/**
 * What to do: rebuild against the header that belongs to this library.
 */
#define AMT_E_ABI_MISMATCH 7

/**
 * What to do: see the documentation of the call for the accepted values.
 */
#define AMT_E_INVALID_ARGUMENT 8

/**
 * What to do: start the operation again; it resumes from the journal.
 */
#define AMT_E_CANCELLED 9

/**
 * What to do: call again with a buffer of the size returned.
 */
#define AMT_E_BUFFER_TOO_SMALL 10

/**
 * What to do: pass UTF-8.
 */
#define AMT_E_NOT_UTF8 11

/**
 * What to do: use a build with the feature named in the message.
 */
#define AMT_E_UNSUPPORTED 12

/**
 * What to do: the input is cut short: capture or copy it again, whole.
 */
#define AMT_E_DECODE_TRUNCATED 1001

/**
 * What to do: the input is not what it was taken for, or was damaged.
 */
#define AMT_E_DECODE_INVALID 1002

/**
 * What to do: this format is not supported; the message says which it is.
 */
#define AMT_E_DECODE_UNSUPPORTED 1003

/**
 * What to do: no genuine message is this large: check what is sending it.
 */
#define AMT_E_DECODE_TOO_LARGE 1004

/**
 * What to do: correct the text named in the message.
 */
#define AMT_E_PARSE_TEXT 1005

/**
 * What to do: type it again as printed: 8 or 32 letters and digits; the message names the group that is wrong.
 */
#define AMT_E_PSK_INVALID 1006

/**
 * What to do: see the message for record and field; `amt setupbin lint` lists everything that is wrong with a file.
 */
#define AMT_E_SETUP_BIN 1007

/**
 * What to do: check that the address is an AMT machine and that nothing in between rewrites HTTP.
 */
#define AMT_E_HTTP_MALFORMED 2001

/**
 * What to do: check that WS-Man is enabled on this firmware; try again later if the status is 5xx.
 */
#define AMT_E_HTTP_STATUS 2002

/**
 * What to do: check that port and address belong to an AMT machine and not to a proxy or web server.
 */
#define AMT_E_NOT_SOAP 2003

/**
 * What to do: save the reply and report it; try again in case it was damaged on the way.
 */
#define AMT_E_XML_MALFORMED 2004

/**
 * What to do: no AMT firmware sends this: check what is answering at this address.
 */
#define AMT_E_XML_REFUSED 2005

/**
 * What to do: try again; report the reply if it happens again.
 */
#define AMT_E_SOAP_UNEXPECTED 2006

/**
 * What to do: see what the device said; the request does not fit this firmware or its state.
 */
#define AMT_E_SOAP_FAULT 2007

/**
 * What to do: see what the device said; its documentation of this value names the cause.
 */
#define AMT_E_RETURN_VALUE 2008

/**
 * What to do: check user and password; wait 20 seconds between guesses, or longer if this password worked before.
 */
#define AMT_E_WRONG_OR_LOCKED 2009

/**
 * What to do: enable digest authentication on the machine.
 */
#define AMT_E_AUTH_UNSUPPORTED 2010

/**
 * What to do: the address answers as another machine: check DHCP and the record's address.
 */
#define AMT_E_REALM_MISMATCH 2011

/**
 * What to do: try again; if it repeats, check the network path to the machine.
 */
#define AMT_E_REPLY_TRUNCATED 2012

/**
 * What to do: no AMT reply is this large: check what is answering at this address.
 */
#define AMT_E_REPLY_TOO_LARGE 2013

/**
 * What to do: this firmware differs from the known ones: save the reply and report it.
 */
#define AMT_E_PROPERTY 2014

/**
 * What to do: check that the machine still has power and network, then try again; a server does so by itself.
 */
#define AMT_E_REPLY_TIMEOUT 2015

/**
 * What to do: get a ticket (`kinit USER@REALM`, or log in to the domain), in the account that runs this program.
 */
#define AMT_E_TICKET_ABSENT 2020

/**
 * What to do: reach the machine by the full name in its SPNs; `amt directory plan` prints the six that it needs, port and all.
 */
#define AMT_E_TICKET_SERVICE_UNKNOWN 2021

/**
 * What to do: set the clocks of this computer, the domain controller and the machine: they may differ by 5 minutes.
 */
#define AMT_E_TICKET_CLOCK 2022

/**
 * What to do: use an account that is in fewer groups: its ticket is smaller.
 */
#define AMT_E_TICKET_TOO_LARGE 2023

/**
 * What to do: check that the user's or group's SID is among the machine's users, and that key and key version in the machine are the directory's.
 */
#define AMT_E_TICKET_REFUSED 2024

/**
 * What to do: see the message: it is Kerberos' own; check realm and domain controllers in krb5.conf or DNS.
 */
#define AMT_E_TICKET_FAILED 2025

/**
 * What to do: load or install the MEI driver (mei_me on Linux, Intel Management Engine Interface on Windows); without one this machine has no AMT to talk to.
 */
#define AMT_E_MEI_ABSENT 3001

/**
 * What to do: run as root (Linux) or as Administrator or SYSTEM (Windows).
 */
#define AMT_E_MEI_PERMISSION 3002

/**
 * What to do: wait and try again; stop other management tools on this machine, LMS among them, if it stays.
 */
#define AMT_E_MEI_BUSY 3003

/**
 * What to do: the machine has no AMT, or its BIOS has switched it off: look in the BIOS setup.
 */
#define AMT_E_MEI_CLIENT_ABSENT 3004

/**
 * What to do: try again in a minute: the firmware restarts; cut the power if it never comes back.
 */
#define AMT_E_MEI_RESET 3005

/**
 * What to do: try again; restart the machine if the firmware stays silent.
 */
#define AMT_E_MEI_TIMEOUT 3006

/**
 * What to do: try again; report the message if it happens again.
 */
#define AMT_E_MEI_UNEXPECTED 3007

/**
 * What to do: see the status in the message; it names the cause.
 */
#define AMT_E_AMT_STATUS 3008

/**
 * What to do: enable AMT in the BIOS or the setup menu, or from the system where the firmware lets it (`amt activate --enable`).
 */
#define AMT_E_AMT_DISABLED 3009

/**
 * What to do: try again; report the message if it happens again.
 */
#define AMT_E_APF_PROTOCOL 3010

/**
 * What to do: the firmware offers no such port to its system, or has no channel left: wait a minute and try again.
 */
#define AMT_E_APF_REFUSED 3011

/**
 * What to do: restart the service LMS, or stop it: without it the firmware is reached directly.
 */
#define AMT_E_LMS_HUNG 3012

/**
 * What to do: use the TLS port: this firmware takes no plain connection from its own system.
 */
#define AMT_E_LOCAL_TLS_REQUIRED 3013

/**
 * What to do: see the alert in the message; old firmware may need another TLS engine.
 */
#define AMT_E_TLS_HANDSHAKE 4001

/**
 * What to do: run `amt preflight` with this certificate, the hello and the DNS suffix: it lists every reason.
 */
#define AMT_E_TLS_CHAIN_REFUSED 4002

/**
 * What to do: the machine is not in PKI setup mode: window closed, PSK mode, or already set up; re-arm it.
 */
#define AMT_E_TLS_NO_CERTIFICATE_REQUEST 4003

/**
 * What to do: this firmware needs the legacy TLS engine.
 */
#define AMT_E_TLS_VERSION 4004

/**
 * What to do: another machine answers here, or its certificate was replaced: check before trusting it.
 */
#define AMT_E_TLS_PIN_MISMATCH 4005

/**
 * What to do: AMT refuses a chain this way too: run `amt preflight`; or the setup window has just closed.
 */
#define AMT_E_TLS_CLOSED 4006

/**
 * What to do: set legacy_tls = "allow" in the machine's profile if TLS before 1.2 is acceptable on this network.
 */
#define AMT_E_TLS_LEGACY_NOT_ALLOWED 4007

/**
 * What to do: use a build with the feature legacy-tls: pure Rust reaches AMT 14 and later only.
 */
#define AMT_E_TLS_LEGACY_MISSING 4008

/**
 * What to do: the machine must trust the root that issued the certificate (tls.trusted_roots), its name (tls.trusted_names), and have the right time.
 */
#define AMT_E_TLS_CLIENT_REFUSED 4009

/**
 * What to do: check that the file is a certificate in PEM or DER.
 */
#define AMT_E_CERTIFICATE_PARSE 4010

/**
 * What to do: check the password, and re-export with AES-256 if the file is old.
 */
#define AMT_E_PFX_OPEN 4011

/**
 * What to do: run `amt preflight` for the certificate you expect to fit; it lists every reason.
 */
#define AMT_E_NO_CERTIFICATE_FITS 4012

/**
 * What to do: mend what the authority names in the message; the next attempt submits a new request.
 */
#define AMT_E_CA_DENIED 4020

/**
 * What to do: check the authority's configuration, then try again: the request is repeated; a server does so by itself.
 */
#define AMT_E_CA_UNAVAILABLE 4021

/**
 * What to do: check the authority: the certificate must carry the key of the request.
 */
#define AMT_E_CA_CERTIFICATE_WRONG 4022

/**
 * What to do: the machine's key is unusable: it is made anew on the next attempt.
 */
#define AMT_E_CSR_INVALID 4023

/**
 * What to do: approve the request at the authority; the machine is finished after that.
 */
#define AMT_E_CA_PENDING 4024

/**
 * What to do: the PPS does not belong to this PID in this machine: check the pair list, or enter a new pair in MEBx or by USB key.
 */
#define AMT_E_PSK_WRONG 4030

/**
 * What to do: the machine's pair was replaced meanwhile: wait for its next hello.
 */
#define AMT_E_PSK_IDENTITY 4031

/**
 * What to do: see which check failed; give the right on-die root, or pin the certificate if you know this machine.
 */
#define AMT_E_ONDIE_CHAIN 4032

/**
 * What to do: start configuration on the machine again with the right one-time password.
 */
#define AMT_E_OTP_MISMATCH 5001

/**
 * What to do: see the message for the state; unprovision or re-arm the machine.
 */
#define AMT_E_WRONG_STATE 5002

/**
 * What to do: adopt it with its credentials, or unprovision it first.
 */
#define AMT_E_ALREADY_PROVISIONED 5003

/**
 * What to do: add its password to known_admin_passwords, or reset the machine in MEBx.
 */
#define AMT_E_ADMIN_PASSWORD_UNKNOWN 5004

/**
 * What to do: see what the device said: 2057 names missing data such as clock, host name or certificate.
 */
#define AMT_E_COMMIT_REFUSED 5005

/**
 * What to do: both credentials are kept: try again, which repeats the proof; a server does so by itself.
 */
#define AMT_E_PROOF_FAILED 5006

/**
 * What to do: check DHCP: the address was taken over by another machine.
 */
#define AMT_E_WRONG_MACHINE 5007

/**
 * What to do: leave the machine powered for some minutes, then try again; a server does so by itself.
 */
#define AMT_E_KEY_NOT_READY 5008

/**
 * What to do: correct the profile field named in the message.
 */
#define AMT_E_PLAN_INVALID 5009

/**
 * What to do: nothing was sent: make the journal's storage writable and start again.
 */
#define AMT_E_JOURNAL 5010

/**
 * What to do: see what the device said.
 */
#define AMT_E_STEP_REFUSED 5011

/**
 * What to do: see what the device said; a clock before 2004 is never accepted.
 */
#define AMT_E_CLOCK_REFUSED 5012

/**
 * What to do: import the pair with `amt psk import`, or enter a known pair in the machine's MEBx.
 */
#define AMT_E_PSK_UNKNOWN 5013

/**
 * What to do: AMT 11 and later are provisioned with a certificate: enter no PID and PPS.
 */
#define AMT_E_PSK_UNSUPPORTED 5014

/**
 * What to do: see the message; `amt capabilities VERSION` lists what this firmware can do.
 */
#define AMT_E_FIRMWARE_UNSUPPORTED 5015

/**
 * What to do: switch it on in the setup menu, or activate the machine from its own system.
 */
#define AMT_E_ZERO_TOUCH_DISABLED 5016

/**
 * What to do: connect the wired network, with DHCP and a DNS suffix (option 15), or give the suffix.
 */
#define AMT_E_NETWORK_NOT_READY 5017

/**
 * What to do: see which modes the firmware allows; another may be chosen, or the setup menu has switched this one off.
 */
#define AMT_E_CONTROL_MODE_REFUSED 5018

/**
 * What to do: see the signer's own words in the message.
 */
#define AMT_E_SIGNER 5019

/**
 * What to do: run `amt preflight` with this certificate: it lists every reason.
 */
#define AMT_E_CHAIN_REFUSED 5020

/**
 * What to do: nothing was sent: wait until the program named in the message is done, or end it, then try again.
 */
#define AMT_E_MACHINE_LOCKED 5021

/**
 * What to do: the port is closed: the setup window ended, AMT is disabled, or the address is another machine's.
 */
#define AMT_E_CONNECT_REFUSED 6001

/**
 * What to do: check power, cable, VLAN and firewalls between here and the machine.
 */
#define AMT_E_CONNECT_TIMEOUT 6002

/**
 * What to do: the machine restarted its network or dropped the session: try again; a server does so by itself.
 */
#define AMT_E_CONNECTION_RESET 6003

/**
 * What to do: the machine ended the session: try again; a server does so by itself.
 */
#define AMT_E_CONNECTION_CLOSED 6004

/**
 * What to do: check routing between here and the machine.
 */
#define AMT_E_UNREACHABLE 6005

/**
 * What to do: check the name and the DNS servers.
 */
#define AMT_E_DNS 6006

/**
 * What to do: another program owns the port, or it needs more rights.
 */
#define AMT_E_LISTEN 6007

/**
 * What to do: check path and permissions.
 */
#define AMT_E_FILE_READ 6008

/**
 * What to do: check path, permissions and free space.
 */
#define AMT_E_FILE_WRITE 6009

/**
 * What to do: see the message.
 */
#define AMT_E_IO 6010

/**
 * What to do: check the database file, its permissions and free space.
 */
#define AMT_E_STORE 7001

/**
 * What to do: give the key file that this database was made with; without it sealed credentials cannot be read.
 */
#define AMT_E_SEAL_KEY 7002

/**
 * What to do: the key file is not the one this row was sealed with, or the row was altered.
 */
#define AMT_E_UNSEAL 7003

/**
 * What to do: correct the field named in the message.
 */
#define AMT_E_CONFIG 7004

/**
 * What to do: add the machine's record, or set admit = "auto".
 */
#define AMT_E_NOT_ADMITTED 7005

/**
 * What to do: list the known ones with `amt fleet list`.
 */
#define AMT_E_MACHINE_UNKNOWN 7006

/**
 * What to do: have the UUID programmed by the maker's tool, or name the machine by its PID.
 */
#define AMT_E_IDENTITY_UNUSABLE 7007

/**
 * What to do: correct the rule, program or callback named in the message; the machine is asked about again.
 */
#define AMT_E_RESOLVER 7008

/**
 * What to do: look at it with `amt fleet show`; `amt fleet release` lets it in.
 */
#define AMT_E_IN_USE 7009

/**
 * What to do: correct the expression where the mark points; `amt fleet fields` lists what can be asked for.
 */
#define AMT_E_FILTER 7010

/**
 * What to do: see the message; the action is repeated, `amt fleet show` tells when.
 */
#define AMT_E_ACTION 7011

/**
 * What to do: see the message; the administrator finds the machine with `amt fleet show UUID`.
 */
#define AMT_E_ENROLMENT 7012

/**
 * What to do: see the directory's own words in the message; `amt directory plan` prints the same for whoever holds the rights.
 */
#define AMT_E_DIRECTORY 7020

/**
 * What to do: remove the name from the object in the message, or give the machine's account another name.
 */
#define AMT_E_DIRECTORY_CONFLICT 7021

/**
 * The device said nothing.
 */
#define AMT_DEVICE_NONE 0

/**
 * The value of a method's `ReturnValue`.
 */
#define AMT_DEVICE_RETURN_VALUE 1

/**
 * A SOAP fault; the value is its `AMT-STATUS`, or 0 if it carried none.
 */
#define AMT_DEVICE_FAULT 2

/**
 * An HTTP status.
 */
#define AMT_DEVICE_HTTP 3

/**
 * A TLS alert.
 */
#define AMT_DEVICE_TLS_ALERT 4

/**
 * A step begins; the text is its name, the `stage` of errors.
 */
#define AMT_EVENT_STEP 1

/**
 * A TLS connection stands; the text has version and suite.
 */
#define AMT_EVENT_CONNECTED 2

/**
 * The firmware refused a provisioning certificate; the text tells what it said, and the next one is tried.
 */
#define AMT_EVENT_CERTIFICATE_REFUSED 3

/**
 * The firmware version is known; it is the text.
 */
#define AMT_EVENT_FIRMWARE 4

/**
 * Something that an administrator should be able to read.
 */
#define AMT_EVENT_NOTE 5

/**
 * Make the record of `amt_event_record` durable, then call `amt_provision_persisted`.
 */
#define AMT_EVENT_PERSIST 100

/**
 * Have a certificate issued for `amt_event_csr`, then call `amt_provision_issued`, `_pending` or `_denied`.
 */
#define AMT_EVENT_CERTIFY 101

/**
 * Have the bytes of `amt_event_sign_data` signed, then call `amt_provision_signed` or `amt_provision_sign_failed`. Comes only where
 * `amt_job_add_chain` was called. A handshake may wait for it: answer within 20 seconds.
 */
#define AMT_EVENT_SIGN 102

/**
 * The machine is what it was to become, and has proven it. The last event.
 */
#define AMT_EVENT_DONE 200

/**
 * Worth knowing.
 */
#define AMT_SEVERITY_INFO 1

/**
 * May fail, on some firmware or soon.
 */
#define AMT_SEVERITY_WARNING 2

/**
 * Will fail.
 */
#define AMT_SEVERITY_ERROR 3

/**
 * The machine waits for a TLS-PSK session: the hello names a PID.
 */
#define AMT_HELLO_PSK 2

/**
 * The machine waits for a provisioning certificate: the hello lists root hashes.
 */
#define AMT_HELLO_PKI 3

/**
 * Only TLS 1.2 and later with forward secrecy.
 */
#define AMT_LEGACY_TLS_REFUSE 0

/**
 * Older TLS where a machine speaks nothing else (AMT before 14, pre-shared pairs); needs a build with the legacy engine.
 */
#define AMT_LEGACY_TLS_ALLOW 1

/**
 * RC4 and 3DES too, if the build has them.
 */
#define AMT_LEGACY_TLS_ALLOW_WEAK 2

/**
 * By the local management service (LMS) if it answers, else directly.
 */
#define AMT_ROUTE_AUTO 0

/**
 * By LMS only.
 */
#define AMT_ROUTE_LMS 1

/**
 * Directly only, by the firmware's client LME.
 */
#define AMT_ROUTE_LME 2

/**
 * Client control mode: remote control asks the user for consent.
 */
#define AMT_MODE_CLIENT 1

/**
 * Admin control mode: needs a provisioning certificate whose root the firmware trusts.
 */
#define AMT_MODE_ADMIN 2

/**
 * Switch AMT on where it is off.
 */
#define AMT_ACTIVATE_ENABLE 1

/**
 * Set up over TLS also where the firmware does not demand it (AMT 14 and later, admin control mode).
 */
#define AMT_ACTIVATE_SECURE 2

/**
 * Everything: the machine is as from the factory, but for the setup menu's password and root hashes.
 */
#define AMT_UNPROVISION_FULL 0

/**
 * Names, the administrator's login and the setup server's address stay. From admin control mode only.
 */
#define AMT_UNPROVISION_PARTIAL 1

/**
 * Something failed that nobody else is told of.
 */
#define AMT_LOG_ERROR 1

/**
 * Something that an administrator should look at.
 */
#define AMT_LOG_WARN 2

/**
 * What happens seldom.
 */
#define AMT_LOG_INFO 3

/**
 * A line for each connection.
 */
#define AMT_LOG_DEBUG 4

/**
 * Everything, down to how many bytes were sent in which step.
 */
#define AMT_LOG_TRACE 5

/**
 * Start, or wake up.
 */
#define AMT_POWER_ON 2

/**
 * Sleep with memory powered (S3); carried out by the operating system.
 */
#define AMT_POWER_SLEEP 4

/**
 * Off at once and on again.
 */
#define AMT_POWER_CYCLE 5

/**
 * Sleep with memory on disk (S4); carried out by the operating system.
 */
#define AMT_POWER_HIBERNATE 7

/**
 * Off at once: what was not saved is lost.
 */
#define AMT_POWER_OFF 8

/**
 * Reset at once.
 */
#define AMT_POWER_RESET 10

/**
 * A non-maskable interrupt: most operating systems stop and write a dump.
 */
#define AMT_POWER_NMI 11

/**
 * Shut down by the operating system; an agent there (LMS) has to carry it out.
 */
#define AMT_POWER_SOFT_OFF 12

/**
 * Restart by the operating system; an agent there (LMS) has to carry it out.
 */
#define AMT_POWER_SOFT_RESET 14

/**
 * From the network (PXE).
 */
#define AMT_BOOT_PXE 1

/**
 * From the hard disk.
 */
#define AMT_BOOT_DISK 2

/**
 * From the optical disc.
 */
#define AMT_BOOT_CD 3

/**
 * Into the setup of the BIOS.
 */
#define AMT_BOOT_BIOS 4

/**
 * From an `https` URL: AMT 16 and later, where the BIOS can.
 */
#define AMT_BOOT_HTTPS 5

/**
 * A computer that runs or sleeps is reset, one that is off is switched on.
 */
#define AMT_THEN_START 0

/**
 * Nothing: the boot counts whenever the computer starts next.
 */
#define AMT_THEN_NOTHING 1

/**
 * Written by a program: 8 and 32 characters, nothing else.
 */
#define AMT_PSK_STRICT 0

/**
 * Typed by a person: dashes and spaces are dropped, small letters become capitals.
 */
#define AMT_PSK_TYPED 1

/**
 * The call succeeded.
 */
#define AMT_OK 0

/**
 * Read and compare, and write nothing.
 */
#define AMT_UPKEEP_DRY_RUN 1

/**
 * Version of the binary interface that this header describes. Compare it with `amt_abi_version`: within one version things are only
 * added.
 */
#define AMT_ABI_VERSION 1

/**
 * Major version of the library that this header belongs to.
 */
#define AMT_VERSION_MAJOR 0

/**
 * Minor version.
 */
#define AMT_VERSION_MINOR 1

/**
 * Patch version.
 */
#define AMT_VERSION_PATCH 0

/**
 * The version in one number that can be compared: major × 65536 + minor × 256 + patch.
 */
#define AMT_VERSION_NUMBER 256

/**
 * What one connection brought: a hello, or bytes that are none. It never changes: its functions may run beside each other.
 */
typedef struct amt_arrival amt_arrival;

/**
 * What a PFX or PEM file holds, usable or not. It never changes: its functions may run beside each other.
 */
typedef struct amt_certificate amt_certificate;

/**
 * Passwords of a machine, likeliest first within each kind, or one new token. It never changes: its functions may run beside each other. Zeroed when it is freed.
 */
typedef struct amt_credentials amt_credentials;

/**
 * A machine and a connection to it. One call at a time, except `amt_device_cancel`, which any thread may call at any time.
 */
typedef struct amt_device amt_device;

/**
 * A JSON document. It never changes: its functions may run beside each other. Zeroed when it is freed.
 */
typedef struct amt_document amt_document;

/**
 * An error: code, stage, message, what the device said, what to do next.
 */
typedef struct amt_error amt_error;

/**
 * An event. It never changes: its functions may run beside each other.
 */
typedef struct amt_event amt_event;

/**
 * A list of findings, possibly empty. It never changes: its functions may run beside each other.
 */
typedef struct amt_findings amt_findings;

/**
 * The database of a fleet. One call at a time. Several programs may use one database; one of them may be its setup server.
 */
typedef struct amt_fleet amt_fleet;

/**
 * A decoded hello. It never changes: its functions may run beside each other.
 */
typedef struct amt_hello amt_hello;

/**
 * A machine to be provisioned. One call at a time; it may be used for several attempts.
 */
typedef struct amt_job amt_job;

/**
 * Open ports that await hellos. One call at a time, except `amt_listener_cancel`, which any thread may call at any time.
 */
typedef struct amt_listener amt_listener;

/**
 * The way to the firmware. One call at a time, except `amt_local_cancel`, which any thread may call at any time.
 */
typedef struct amt_local amt_local;

/**
 * An attempt. One call at a time, except `amt_provision_cancel`, which any thread may call at any time.
 */
typedef struct amt_provision amt_provision;

/**
 * A PID and its PPS. It never changes: its functions may run beside each other. The PPS is zeroed when it is freed.
 */
typedef struct amt_psk amt_psk;

/**
 * A journal record. It never changes: its functions may run beside each other. Its secrets are zeroed when it is freed.
 */
typedef struct amt_record amt_record;

/**
 * A setup server, bound to its ports. One call of `amt_server_next` at a time; any thread may call the other functions at any time.
 */
typedef struct amt_server amt_server;

/**
 * A setup.bin. It never changes: its functions may run beside each other. Its secrets are zeroed when it is freed.
 */
typedef struct amt_setupbin amt_setupbin;

/**
 * Result of a call: 0, or one of the `AMT_E_` codes. A later library may return codes that this header does not list.
 */
typedef uint32_t amt_status;

/**
 * Takes a line of the log: its level, one of `AMT_LOG_`; its target, the part of the library that says it, such as `amt::driver`; and the
 * message, one line, the facts of it behind the text as `name=value`. Both are UTF-8, not NUL-terminated, and valid during the call only.
 */
typedef void (*amt_log_sink)(void *user_data,
                             uint32_t level,
                             const char *target,
                             size_t target_len,
                             const char *message,
                             size_t message_len);

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * What the firmware of this version (text, for example `16.1` or `11.8.65.3590`) can do, as JSON into `*out`, to be freed with
 * `amt_document_free`: a truth value for each feature, `version`, `tls`, `engine`, `suites`, `psk_suites`, `root_hashes`, `rsa_bits`, `digest_algorithms`.
 *
 * Fails with `AMT_E_PARSE_TEXT` if the version cannot be read.
 *
 * # Safety
 * `version` is null or readable for `version_len` bytes; `out` is null or writable; `err` is null or writable.
 */
amt_status amt_capabilities(const char *version,
                            size_t version_len,
                            amt_document **out,
                            amt_error **err);

/**
 * Reads a PFX (PKCS#12) file into `*out`; free it with `amt_certificate_free`. Nothing passed in is kept.
 *
 * Fails with `AMT_E_PFX_OPEN` if the password is wrong, `AMT_E_CERTIFICATE_PARSE` if this is no PFX. Whether the certificate is fit for
 * its purpose is told by `amt_certificate_preflight`.
 *
 * # Safety
 * `data` and `password` are null or readable for their lengths; `out` is null or writable; `err` is null or writable.
 */
amt_status amt_certificate_parse_pfx(const uint8_t *data,
                                     size_t len,
                                     const char *password,
                                     size_t password_len,
                                     amt_certificate **out,
                                     amt_error **err);

/**
 * Reads PEM text with certificates and perhaps the key into `*out`; free it with `amt_certificate_free`. The key may come in a
 * file of its own (`key`, else null), as PEM or as PKCS#8 DER; `password` opens an encrypted key (else null). Nothing passed in is
 * kept.
 *
 * Fails with `AMT_E_CERTIFICATE_PARSE` if something cannot be read, `AMT_E_PFX_OPEN` if an encrypted key does not open.
 *
 * # Safety
 * `data`, `key` and `password` are null or readable for their lengths; `out` is null or writable; `err` is null or writable.
 */
amt_status amt_certificate_parse_pem(const uint8_t *data,
                                     size_t len,
                                     const uint8_t *key,
                                     size_t key_len,
                                     const char *password,
                                     size_t password_len,
                                     amt_certificate **out,
                                     amt_error **err);

/**
 * Every reason why this certificate would not provision a machine, most basic first, into `*out`; free it with
 * `amt_findings_free`. What is not known of the machine is left null and not checked: its hello, the DNS suffix of its network,
 * its firmware version (`16.1.25`). `flags` is a combination of `AMT_PREFLIGHT_`, or 0.
 *
 * # Safety
 * `certificate` is null or a handle; `hello` is null or a handle; `suffix` and `firmware` are null or readable for their lengths; `out` is
 * null or writable; `err` is null or writable.
 */
amt_status amt_certificate_preflight(const amt_certificate *certificate,
                                     const amt_hello *hello,
                                     const char *suffix,
                                     size_t suffix_len,
                                     const char *firmware,
                                     size_t firmware_len,
                                     uint32_t flags,
                                     amt_findings **out,
                                     amt_error **err);

/**
 * Frees `certificate`. Null does nothing.
 *
 * # Safety
 * `certificate` is null or a handle, not used again.
 */
amt_status amt_certificate_free(amt_certificate *certificate);

/**
 * Makes a device for the machine at this IP address (text; `fe80::1%eth0` with its interface) into `*out`; free it with
 * `amt_device_free`. `port` 0 is the usual one: 16993, or 16992 without TLS. Nothing is sent before the first call, which needs one of the `amt_device_trust_` functions before it: there is
 * no safe default for whom to take the machine for.
 *
 * # Safety
 * `address`, `user` and `password` are null or readable for their lengths; `out` is null or writable; `err` is null or writable.
 */
amt_status amt_device_new(const char *address,
                          size_t address_len,
                          uint16_t port,
                          const char *user,
                          size_t user_len,
                          const char *password,
                          size_t password_len,
                          amt_device **out,
                          amt_error **err);

/**
 * Accepts any certificate of the machine: whoever is in between reads and changes everything.
 *
 * # Safety
 * `device` is null or a handle; `err` is null or writable.
 */
amt_status amt_device_trust_any(amt_device *device,
                                amt_error **err);

/**
 * Accepts only the certificate whose DER has this SHA-256: 32 bytes.
 *
 * # Safety
 * `device` is null or a handle; `sha256` is null or readable for `len` bytes; `err` is null or writable.
 */
amt_status amt_device_trust_pin(amt_device *device,
                                const uint8_t *sha256,
                                size_t len,
                                amt_error **err);

/**
 * Accepts certificates of these authorities (PEM, one or several) that carry `name`, the machine's host name.
 *
 * # Safety
 * `device` is null or a handle; `roots` and `name` are null or readable for their lengths; `err` is null or writable.
 */
amt_status amt_device_trust_roots(amt_device *device,
                                  const uint8_t *roots,
                                  size_t roots_len,
                                  const char *name,
                                  size_t name_len,
                                  amt_error **err);

/**
 * No TLS at all: firmware before 16.1 only, and readable by everyone on the way.
 *
 * # Safety
 * `device` is null or a handle; `err` is null or writable.
 */
amt_status amt_device_trust_plain(amt_device *device,
                                  amt_error **err);

/**
 * Whether old TLS may be used, one of `AMT_LEGACY_TLS_`: AMT before 14 speaks nothing else, and a build with the legacy engine is needed for it. Until
 * told otherwise it is refused, and such a machine fails with `AMT_E_TLS_LEGACY_NOT_ALLOWED`. A session that stands is ended.
 *
 * # Safety
 * `device` is null or a handle; `err` is null or writable.
 */
amt_status amt_device_set_legacy_tls(amt_device *device,
                                     uint32_t consent,
                                     amt_error **err);

/**
 * The certificate to show to a machine with mutual TLS, which lets in only those whose certificate it trusts; machines that ask for none are not
 * shown it. `certificate` has its issuers and its key with it, and is not kept. A session that stands is ended. Fails with `AMT_E_PFX_OPEN`
 * without exactly one private key that belongs to the leaf. A certificate that the machine refuses ends calls with `AMT_E_TLS_CLIENT_REFUSED`.
 *
 * # Safety
 * `device` and `certificate` are null or handles; `err` is null or writable.
 */
amt_status amt_device_set_client_certificate(amt_device *device,
                                             const amt_certificate *certificate,
                                             amt_error **err);

/**
 * Reads the instance of `class` that `selectors` choose (a JSON object of names and values; empty for the only one) into `*reply`, to be
 * freed with `amt_document_free`.
 *
 * A reply is a JSON object with `kind`, `class`, `method`, `return_value` and `items`: a list of objects with `class` and
 * `properties`, which has one here. All values are text; repeated properties are arrays.
 *
 * # Safety
 * `device` is null or a handle; `class_name` and `selectors` are null or readable for their lengths; `reply` is null or writable; `err` is
 * null or writable.
 */
amt_status amt_device_get(amt_device *device,
                          const char *class_name,
                          size_t class_name_len,
                          const char *selectors,
                          size_t selectors_len,
                          amt_document **reply,
                          amt_error **err);

/**
 * Replaces the instance of `class` that `selectors` choose (as in `amt_device_get`) by `instance`: what `amt_device_get` brought, whole and with the
 * changes made, or an object of the properties alone. The reply has the instance as the machine has it now.
 *
 * # Safety
 * `device` is null or a handle; `class_name`, `instance` and `selectors` are null or readable for their lengths; `reply` is null or writable;
 * `err` is null or writable.
 */
amt_status amt_device_put(amt_device *device,
                          const char *class_name,
                          size_t class_name_len,
                          const char *instance,
                          size_t instance_len,
                          const char *selectors,
                          size_t selectors_len,
                          amt_document **reply,
                          amt_error **err);

/**
 * Calls a method of the instance of `class` that `selectors` choose (as in `amt_device_get`). `arguments` is a JSON object, in the order of the
 * method's definition; empty for none. The reply's item is the method's output. A ReturnValue other than 0 is a failure,
 * `AMT_E_RETURN_VALUE`, whose error has it as what the device said.
 *
 * # Safety
 * `device` is null or a handle; `class_name`, `method`, `arguments` and `selectors` are null or readable for their lengths; `reply` is null or
 * writable; `err` is null or writable.
 */
amt_status amt_device_invoke(amt_device *device,
                             const char *class_name,
                             size_t class_name_len,
                             const char *method,
                             size_t method_len,
                             const char *arguments,
                             size_t arguments_len,
                             const char *selectors,
                             size_t selectors_len,
                             amt_document **reply,
                             amt_error **err);

/**
 * Lists all instances of `class`: the reply has an item for each.
 *
 * # Safety
 * `device` is null or a handle; `class_name` is null or readable for its length; `reply` is null or writable; `err` is null or writable.
 */
amt_status amt_device_enumerate(amt_device *device,
                                const char *class_name,
                                size_t class_name_len,
                                amt_document **reply,
                                amt_error **err);

/**
 * Facts of the connection as JSON: `address`, `firmware` (the version, null before the machine has answered), and `tls`, null before the first
 * handshake or without TLS: `version`, `suite`, `engine` and `certificate_sha256`, which `amt_device_trust_pin` takes.
 *
 * # Safety
 * `device` is null or a handle; `out` is null or writable; `err` is null or writable.
 */
amt_status amt_device_connection(amt_device *device,
                                 amt_document **out,
                                 amt_error **err);

/**
 * Ends the call that is under way in another thread, and every later one, with `AMT_E_CANCELLED`. What the machine was sent it may have
 * done.
 *
 * # Safety
 * `device` is null or a handle; `err` is null or writable.
 */
amt_status amt_device_cancel(const amt_device *device,
                             amt_error **err);

/**
 * Frees `device` and ends its connection. Null does nothing; while a call is inside, `AMT_E_BUSY` is returned and nothing is freed.
 *
 * # Safety
 * `device` is null or a handle, not used again.
 */
amt_status amt_device_free(amt_device *device);

/**
 * The document, on one line. Valid until `document` is freed.
 *
 * # Safety
 * `document` is null or a handle; `data` and `len` are null or writable; `err` is null or writable.
 */
amt_status amt_document_json(const amt_document *document,
                             const char **data,
                             size_t *len,
                             amt_error **err);

/**
 * Frees `document`. Null does nothing.
 *
 * # Safety
 * `document` is null or a handle, not used again.
 */
amt_status amt_document_free(amt_document *document);

/**
 * The code, one of `AMT_E_`.
 *
 * # Safety
 * `error` is null or a handle; `code` is null or writable.
 */
amt_status amt_error_code(const amt_error *error,
                          uint32_t *code);

/**
 * The name of the code, as in the header without `AMT_E_`. Valid until `error` is freed.
 *
 * # Safety
 * `error` is null or a handle; `data` and `len` are null or writable.
 */
amt_status amt_error_name(const amt_error *error,
                          const char **data,
                          size_t *len);

/**
 * Where it happened: a step of a procedure or an operation. Valid until `error` is freed.
 *
 * # Safety
 * `error` is null or a handle; `data` and `len` are null or writable.
 */
amt_status amt_error_stage(const amt_error *error,
                           const char **data,
                           size_t *len);

/**
 * What happened, in words; never a secret. Valid until `error` is freed.
 *
 * # Safety
 * `error` is null or a handle; `data` and `len` are null or writable.
 */
amt_status amt_error_message(const amt_error *error,
                             const char **data,
                             size_t *len);

/**
 * What to do next. Valid until `error` is freed.
 *
 * # Safety
 * `error` is null or a handle; `data` and `len` are null or writable.
 */
amt_status amt_error_hint(const amt_error *error,
                          const char **data,
                          size_t *len);

/**
 * What the device itself said, in words; empty if it said nothing. Valid until `error` is freed.
 *
 * # Safety
 * `error` is null or a handle; `data` and `len` are null or writable.
 */
amt_status amt_error_device_text(const amt_error *error,
                                 const char **data,
                                 size_t *len);

/**
 * What the device itself said, as a kind (`AMT_DEVICE_`) and a number.
 *
 * # Safety
 * `error` is null or a handle; `kind` and `value` are null or writable.
 */
amt_status amt_error_device_status(const amt_error *error,
                                   uint32_t *kind,
                                   uint32_t *value);

/**
 * Frees `error`. Null does nothing.
 *
 * # Safety
 * `error` is null or a handle, not used again.
 */
amt_status amt_error_free(amt_error *error);

/**
 * One of `AMT_EVENT_`. A later library may send kinds that this header does not list: pass over those below 100.
 *
 * # Safety
 * `event` is null or a handle; `kind` is null or writable; `err` is null or writable.
 */
amt_status amt_event_kind(const amt_event *event,
                          uint32_t *kind,
                          amt_error **err);

/**
 * What it is about, for a log; never a secret. Valid until `event` is freed.
 *
 * # Safety
 * `event` is null or a handle; `data` and `len` are null or writable; `err` is null or writable.
 */
amt_status amt_event_text(const amt_event *event,
                          const char **data,
                          size_t *len,
                          amt_error **err);

/**
 * The record of `AMT_EVENT_PERSIST`, to be stored sealed: it holds the machine's passwords in clear. It replaces the one before of the same
 * procedure. Valid until `event` is freed, and zeroed then. `amt_record_parse` reads it, but for those of `amt_device_configure` and `amt_device_renew`.
 *
 * # Safety
 * `event` is null or a handle; `data` and `len` are null or writable; `err` is null or writable.
 */
amt_status amt_event_record(const amt_event *event,
                            const uint8_t **data,
                            size_t *len,
                            amt_error **err);

/**
 * The PKCS#10 request (DER) of `AMT_EVENT_CERTIFY`, signed inside the machine. Valid until `event` is freed.
 *
 * # Safety
 * `event` is null or a handle; `data` and `len` are null or writable; `err` is null or writable.
 */
amt_status amt_event_csr(const amt_event *event,
                         const uint8_t **data,
                         size_t *len,
                         amt_error **err);

/**
 * The subject common name that the certificate of `AMT_EVENT_CERTIFY` shall carry. Valid until `event` is freed.
 *
 * # Safety
 * `event` is null or a handle; `data` and `len` are null or writable; `err` is null or writable.
 */
amt_status amt_event_common_name(const amt_event *event,
                                 const char **data,
                                 size_t *len,
                                 amt_error **err);

/**
 * How many DNS names the certificate of `AMT_EVENT_CERTIFY` shall carry.
 *
 * # Safety
 * `event` is null or a handle; `count` is null or writable; `err` is null or writable.
 */
amt_status amt_event_dns_name_count(const amt_event *event,
                                    size_t *count,
                                    amt_error **err);

/**
 * A DNS name that the certificate of `AMT_EVENT_CERTIFY` shall carry. Valid until `event` is freed.
 *
 * # Safety
 * `event` is null or a handle; `data` and `len` are null or writable; `err` is null or writable.
 */
amt_status amt_event_dns_name(const amt_event *event,
                              size_t index,
                              const char **data,
                              size_t *len,
                              amt_error **err);

/**
 * The authority's name of the pending request that `AMT_EVENT_CERTIFY` asks about; empty if it is a new one. Valid until `event` is
 * freed.
 *
 * # Safety
 * `event` is null or a handle; `data` and `len` are null or writable; `err` is null or writable.
 */
amt_status amt_event_request_id(const amt_event *event,
                                const char **data,
                                size_t *len,
                                amt_error **err);

/**
 * What is to be signed on `AMT_EVENT_SIGN`: RSA, PKCS#1 v1.5, over the SHA-256 of these bytes. `certificate` becomes the number of the
 * certificate, from 0, in the order of `amt_job_add_chain`. Valid until `event` is freed.
 *
 * # Safety
 * `event` is null or a handle; `certificate`, `data` and `len` are null or writable; `err` is null or writable.
 */
amt_status amt_event_sign_data(const amt_event *event,
                               size_t *certificate,
                               const uint8_t **data,
                               size_t *len,
                               amt_error **err);

/**
 * `admin`, `client` or, after its setup was taken back, `none`: how the machine of `AMT_EVENT_DONE` says it is controlled; empty where
 * that was not asked. Valid until `event` is freed.
 *
 * # Safety
 * `event` is null or a handle; `data` and `len` are null or writable; `err` is null or writable.
 */
amt_status amt_event_control_mode(const amt_event *event,
                                  const char **data,
                                  size_t *len,
                                  amt_error **err);

/**
 * TLS version of the connection on which the machine of `AMT_EVENT_DONE` took its new password; empty if it was without. Valid until `event` is freed.
 *
 * # Safety
 * `event` is null or a handle; `data` and `len` are null or writable; `err` is null or writable.
 */
amt_status amt_event_tls_version(const amt_event *event,
                                 const char **data,
                                 size_t *len,
                                 amt_error **err);

/**
 * Cipher suite of that connection, by its IANA name. Valid until `event` is freed.
 *
 * # Safety
 * `event` is null or a handle; `data` and `len` are null or writable; `err` is null or writable.
 */
amt_status amt_event_tls_suite(const amt_event *event,
                               const char **data,
                               size_t *len,
                               amt_error **err);

/**
 * Firmware version of the machine of `AMT_EVENT_DONE`; empty if it did not tell. Valid until `event` is freed.
 *
 * # Safety
 * `event` is null or a handle; `data` and `len` are null or writable; `err` is null or writable.
 */
amt_status amt_event_firmware(const amt_event *event,
                              const char **data,
                              size_t *len,
                              amt_error **err);

/**
 * What `AMT_EVENT_DONE` brought, as JSON: the document of the command line's `--json` for `amt_device_configure`, `amt_device_rotate`,
 * `amt_device_renew` and `amt_device_unprovision`; empty after a setup. Valid until `event` is freed.
 *
 * # Safety
 * `event` is null or a handle; `data` and `len` are null or writable; `err` is null or writable.
 */
amt_status amt_event_result(const amt_event *event,
                            const char **data,
                            size_t *len,
                            amt_error **err);

/**
 * Frees `event`. Null does nothing.
 *
 * # Safety
 * `event` is null or a handle, not used again.
 */
amt_status amt_event_free(amt_event *event);

/**
 * How many there are.
 *
 * # Safety
 * `findings` is null or a handle; `count` is null or writable; `err` is null or writable.
 */
amt_status amt_findings_count(const amt_findings *findings,
                              size_t *count,
                              amt_error **err);

/**
 * How bad a finding is, one of `AMT_SEVERITY_`; larger is worse.
 *
 * # Safety
 * `findings` is null or a handle; `severity` is null or writable; `err` is null or writable.
 */
amt_status amt_findings_severity(const amt_findings *findings,
                                 size_t index,
                                 uint32_t *severity,
                                 amt_error **err);

/**
 * The stable code of a finding, for example `ROOT-NOHASH`. Valid until `findings` is freed.
 *
 * # Safety
 * `findings` is null or a handle; `data` and `len` are null or writable; `err` is null or writable.
 */
amt_status amt_findings_code(const amt_findings *findings,
                             size_t index,
                             const char **data,
                             size_t *len,
                             amt_error **err);

/**
 * The certificate, record or field that a finding is about. Valid until `findings` is freed.
 *
 * # Safety
 * `findings` is null or a handle; `data` and `len` are null or writable; `err` is null or writable.
 */
amt_status amt_findings_field(const amt_findings *findings,
                              size_t index,
                              const char **data,
                              size_t *len,
                              amt_error **err);

/**
 * What is wrong. Valid until `findings` is freed.
 *
 * # Safety
 * `findings` is null or a handle; `data` and `len` are null or writable; `err` is null or writable.
 */
amt_status amt_findings_message(const amt_findings *findings,
                                size_t index,
                                const char **data,
                                size_t *len,
                                amt_error **err);

/**
 * What to do about it. Valid until `findings` is freed.
 *
 * # Safety
 * `findings` is null or a handle; `data` and `len` are null or writable; `err` is null or writable.
 */
amt_status amt_findings_hint(const amt_findings *findings,
                             size_t index,
                             const char **data,
                             size_t *len,
                             amt_error **err);

/**
 * Frees `findings`. Null does nothing.
 *
 * # Safety
 * `findings` is null or a handle, not used again.
 */
amt_status amt_findings_free(amt_findings *findings);

/**
 * Opens the database at a path, or makes it, into `*out`; free it with `amt_fleet_free`. `key_file` holds the key that seals its secrets,
 * and is made together with a new database; empty: the database's path with `.key` after it. Starts threads, of SQLite's driver.
 *
 * Fails with `AMT_E_STORE` for what is no such database, or with what is wrong with the key.
 *
 * # Safety
 * `database` and `key_file` are null or readable for their lengths; `out` is null or writable; `err` is null or writable.
 */
amt_status amt_fleet_open(const char *database,
                          size_t database_len,
                          const char *key_file,
                          size_t key_file_len,
                          amt_fleet **out,
                          amt_error **err);

/**
 * The machines that fit the filter `conditions`, such as `verified and version >= 16` (empty: all), sorted by a field, `name` or, downwards,
 * `-hello` (empty: as they became known), at most `limit` of them (0: all), as a JSON array into `*out`, to be freed with
 * `amt_document_free`. Each is as in `amt fleet list --json`.
 *
 * Fails with `AMT_E_FILTER`, whose message points at the character.
 *
 * # Safety
 * `fleet` is null or a handle; `conditions` and `sort` are null or readable for their lengths; `out` is null or writable; `err` is null or
 * writable.
 */
amt_status amt_fleet_machines(amt_fleet *fleet,
                              const char *conditions,
                              size_t conditions_len,
                              const char *sort,
                              size_t sort_len,
                              uint32_t limit,
                              amt_document **out,
                              amt_error **err);

/**
 * One machine, as in `amt_fleet_machines`, into `*out`, to be freed with `amt_document_free`. Fails with `AMT_E_MACHINE_UNKNOWN`.
 *
 * # Safety
 * `fleet` is null or a handle; `uuid` is null or readable for its length; `out` is null or writable; `err` is null or writable.
 */
amt_status amt_fleet_machine(amt_fleet *fleet,
                             const char *uuid,
                             size_t uuid_len,
                             amt_document **out,
                             amt_error **err);

/**
 * What is said of a machine and by whom, the most trusted source of each key first, as a JSON array into `*out`, to be freed with
 * `amt_document_free`.
 *
 * # Safety
 * As for `amt_fleet_machine`.
 */
amt_status amt_fleet_facts(amt_fleet *fleet,
                           const char *uuid,
                           size_t uuid_len,
                           amt_document **out,
                           amt_error **err);

/**
 * The last `limit` lines of a machine's diary, oldest first, as a JSON array into `*out`, to be freed with `amt_document_free`.
 *
 * # Safety
 * As for `amt_fleet_machine`.
 */
amt_status amt_fleet_diary(amt_fleet *fleet,
                           const char *uuid,
                           size_t uuid_len,
                           uint32_t limit,
                           amt_document **out,
                           amt_error **err);

/**
 * Records what `source` (`operator`, `list`, …) says of a machine that is known: `facts` is a JSON object such as
 * `{"fqdn": "pc1.example.com", "label": ["a", "b"]}`. Of every key named, what the same source said before ends. `changed` becomes 1 if
 * anything is new.
 *
 * # Safety
 * `fleet` is null or a handle; `uuid`, `source` and `facts` are null or readable for their lengths; `changed` is null or writable; `err` is
 * null or writable.
 */
amt_status amt_fleet_report(amt_fleet *fleet,
                            const char *uuid,
                            size_t uuid_len,
                            const char *source,
                            size_t source_len,
                            const char *facts,
                            size_t facts_len,
                            uint32_t *changed,
                            amt_error **err);

/**
 * Records what a program on the machine found, as the intake does (docs/intake.md), for a host that has a channel of its own to its clients:
 * `facts` is a JSON object of `mac` (a list), `fqdn`, `host_name`, `dns_suffix`, `os`, `environment`, `control_mode`, `version`, `model`
 * and `serial`, all optional, and of nothing else. A machine that is not known becomes so; it is not let in by that. `by` tells the diary
 * who said it. Of every key named, what a client said before ends. `changed` becomes 1 if anything is new.
 *
 * # Safety
 * `fleet` is null or a handle; `uuid`, `facts` and `by` are null or readable for their lengths; `changed` is null or writable; `err` is null
 * or writable.
 */
amt_status amt_fleet_enroll(amt_fleet *fleet,
                            const char *uuid,
                            size_t uuid_len,
                            const char *facts,
                            size_t facts_len,
                            const char *by,
                            size_t by_len,
                            uint32_t *changed,
                            amt_error **err);

/**
 * Lets a machine in, whatever the guard says; `by` tells the diary who decided that.
 *
 * # Safety
 * `fleet` is null or a handle; `uuid` and `by` are null or readable for their lengths; `err` is null or writable.
 */
amt_status amt_fleet_release(amt_fleet *fleet,
                             const char *uuid,
                             size_t uuid_len,
                             const char *by,
                             size_t by_len,
                             amt_error **err);

/**
 * The passwords that may open a machine into `*out`; free it with `amt_credentials_free`.
 *
 * # Safety
 * `fleet` is null or a handle; `uuid` is null or readable for its length; `out` is null or writable; `err` is null or writable.
 */
amt_status amt_fleet_credentials(amt_fleet *fleet,
                                 const char *uuid,
                                 size_t uuid_len,
                                 amt_credentials **out,
                                 amt_error **err);

/**
 * Makes a token that clients on the machines enrol with through the intake (docs/intake.md), for so many machines and `valid_s` seconds (0: for
 * ever), or for the machine `uuid` alone, into `*out`, to be freed with `amt_credentials_free`: one entry of kind `token`, whose account is
 * the token's number. The database keeps a hash only. `uuid` and `note`, what it is for in words, may be empty.
 *
 * Fails with `AMT_E_INVALID_ARGUMENT` for 0 or too many uses, or for more than one with `uuid`.
 *
 * # Safety
 * `fleet` is null or a handle; `uuid` and `note` are null or readable for their lengths; `out` is null or writable; `err` is null or writable.
 */
amt_status amt_fleet_new_token(amt_fleet *fleet,
                               uint32_t uses,
                               uint32_t valid_s,
                               const char *uuid,
                               size_t uuid_len,
                               const char *note,
                               size_t note_len,
                               amt_credentials **out,
                               amt_error **err);

/**
 * Lets nobody enrol with a token any more; machines that did stay enrolled. Fails with `AMT_E_INVALID_ARGUMENT` if there is no such token.
 *
 * # Safety
 * `fleet` is null or a handle; `err` is null or writable.
 */
amt_status amt_fleet_revoke_token(amt_fleet *fleet,
                                  int64_t number,
                                  amt_error **err);

/**
 * Frees `fleet`. Null does nothing; while a call is inside, `AMT_E_BUSY` is returned and nothing is freed. Servers that it was given to do not
 * need it any more.
 *
 * # Safety
 * `fleet` is null or a handle, not used again.
 */
amt_status amt_fleet_free(amt_fleet *fleet);

/**
 * How many passwords there are.
 *
 * # Safety
 * `credentials` is null or a handle; `count` is null or writable; `err` is null or writable.
 */
amt_status amt_credentials_count(const amt_credentials *credentials,
                                 size_t *count,
                                 amt_error **err);

/**
 * What the password at `index` opens: `admin`, the network administrator, `mebx`, the setup menu, or for a `token` the intake. Valid until `credentials` is freed.
 *
 * # Safety
 * `credentials` is null or a handle; `data` and `len` are null or writable; `err` is null or writable.
 */
amt_status amt_credentials_kind(const amt_credentials *credentials,
                                size_t index,
                                const char **data,
                                size_t *len,
                                amt_error **err);

/**
 * The account that the password at `index` belongs to. Valid until `credentials` is freed.
 *
 * # Safety
 * As for `amt_credentials_kind`.
 */
amt_status amt_credentials_account(const amt_credentials *credentials,
                                   size_t index,
                                   const char **data,
                                   size_t *len,
                                   amt_error **err);

/**
 * The password at `index`, a secret. Valid until `credentials` is freed.
 *
 * # Safety
 * As for `amt_credentials_kind`.
 */
amt_status amt_credentials_password(const amt_credentials *credentials,
                                    size_t index,
                                    const char **data,
                                    size_t *len,
                                    amt_error **err);

/**
 * Frees `credentials`. Null does nothing.
 *
 * # Safety
 * `credentials` is null or a handle, not used again.
 */
amt_status amt_credentials_free(amt_credentials *credentials);

/**
 * Decodes one whole hello into `*out`; free it with `amt_hello_free`. `data` is not kept.
 *
 * Fails with `AMT_E_DECODE_TRUNCATED`, `_INVALID`, `_UNSUPPORTED` or `_TOO_LARGE`; the message names field and offset.
 *
 * # Safety
 * `data` is null or readable for `len` bytes; `out` is null or writable; `err` is null or writable.
 */
amt_status amt_hello_parse(const uint8_t *data,
                           size_t len,
                           amt_hello **out,
                           amt_error **err);

/**
 * `AMT_HELLO_PSK` or `AMT_HELLO_PKI`; a later library may know more.
 *
 * # Safety
 * `hello` is null or a handle; `kind` is null or writable; `err` is null or writable.
 */
amt_status amt_hello_kind(const amt_hello *hello,
                          uint32_t *kind,
                          amt_error **err);

/**
 * How often the machine said hello before in this round.
 *
 * # Safety
 * `hello` is null or a handle; `retry` is null or writable; `err` is null or writable.
 */
amt_status amt_hello_retry(const amt_hello *hello,
                           uint32_t *retry,
                           amt_error **err);

/**
 * 1 if the factory password of the administrator was changed already, else 0.
 *
 * # Safety
 * `hello` is null or a handle; `set` is null or writable; `err` is null or writable.
 */
amt_status amt_hello_admin_credentials_set(const amt_hello *hello,
                                           uint32_t *set,
                                           amt_error **err);

/**
 * Bytes that followed the hello: harmless, but worth a warning.
 *
 * # Safety
 * `hello` is null or a handle; `trailing` is null or writable; `err` is null or writable.
 */
amt_status amt_hello_trailing(const amt_hello *hello,
                              size_t *trailing,
                              amt_error **err);

/**
 * The machine's UUID as text, lower case, 36 characters. Valid until `hello` is freed.
 *
 * # Safety
 * `hello` is null or a handle; `data` and `len` are null or writable; `err` is null or writable.
 */
amt_status amt_hello_uuid(const amt_hello *hello,
                          const char **data,
                          size_t *len,
                          amt_error **err);

/**
 * The eight bytes of the PID as they travelled; empty for a PKI hello. Valid until `hello` is freed.
 *
 * # Safety
 * `hello` is null or a handle; `data` and `len` are null or writable; `err` is null or writable.
 */
amt_status amt_hello_pid(const amt_hello *hello,
                         const uint8_t **data,
                         size_t *len,
                         amt_error **err);

/**
 * How many root hashes the hello lists.
 *
 * # Safety
 * `hello` is null or a handle; `count` is null or writable; `err` is null or writable.
 */
amt_status amt_hello_root_count(const amt_hello *hello,
                                size_t *count,
                                amt_error **err);

/**
 * A root hash: the algorithm's number as it travels (1 SHA-1, 2 SHA-256, 3 SHA-384; others are possible) and the fingerprint, which
 * is valid until `hello` is freed.
 *
 * # Safety
 * `hello` is null or a handle; `algorithm`, `data` and `len` are null or writable; `err` is null or writable.
 */
amt_status amt_hello_root(const amt_hello *hello,
                          size_t index,
                          uint32_t *algorithm,
                          const uint8_t **data,
                          size_t *len,
                          amt_error **err);

/**
 * The hello as it travels, without trailing bytes. Valid until `hello` is freed.
 *
 * # Safety
 * `hello` is null or a handle; `data` and `len` are null or writable; `err` is null or writable.
 */
amt_status amt_hello_encode(const amt_hello *hello,
                            const uint8_t **data,
                            size_t *len,
                            amt_error **err);

/**
 * Frees `hello`. Null does nothing.
 *
 * # Safety
 * `hello` is null or a handle, not used again.
 */
amt_status amt_hello_free(amt_hello *hello);

/**
 * Makes a job for the machine with this UUID (text, 36 characters) at this IP address (text) into `*out`; free it with `amt_job_free`.
 * Until told otherwise its passwords are generated, its names left alone, and the caller stores the journal and has the certificate
 * issued.
 *
 * # Safety
 * `uuid` and `address` are null or readable for their lengths; `out` is null or writable; `err` is null or writable.
 */
amt_status amt_job_new(const char *uuid,
                       size_t uuid_len,
                       const char *address,
                       size_t address_len,
                       amt_job **out,
                       amt_error **err);

/**
 * Another TLS port than 16993.
 *
 * # Safety
 * `job` is null or a handle; `err` is null or writable.
 */
amt_status amt_job_set_port(amt_job *job,
                            uint16_t port,
                            amt_error **err);

/**
 * The hello that the machine sent: its root hashes choose among certificates. `hello` is not kept.
 *
 * # Safety
 * `job` and `hello` are null or handles; `err` is null or writable.
 */
amt_status amt_job_set_hello(amt_job *job,
                             const amt_hello *hello,
                             amt_error **err);

/**
 * Adds a provisioning certificate that may be presented. `certificate` is not kept. Fails with `AMT_E_PFX_OPEN` if it does not hold
 * exactly one private key that belongs to its leaf.
 *
 * # Safety
 * `job` and `certificate` are null or handles; `err` is null or writable.
 */
amt_status amt_job_add_certificate(amt_job *job,
                                   const amt_certificate *certificate,
                                   amt_error **err);

/**
 * Adds a provisioning certificate for whose key the caller signs, on `AMT_EVENT_SIGN`. Over the network it is for machines from AMT 14 on, and
 * may stand beside certificates of `amt_job_add_certificate`; the signature belongs to a handshake: the machine hangs up when it waits for
 * long, and after 30 seconds the attempt fails. `amt_local_activate` takes the one kind or the other. A key that `certificate` may have is not used. `certificate` is not kept. Fails with
 * `AMT_E_CERTIFICATE_PARSE` if it holds no chain.
 *
 * # Safety
 * `job` and `certificate` are null or handles; `err` is null or writable.
 */
amt_status amt_job_add_chain(amt_job *job,
                             const amt_certificate *certificate,
                             amt_error **err);

/**
 * The certificate to show to a machine that turns out to be set up already, and has mutual TLS: without it the machine cannot be told from one
 * that refuses the provisioning certificate (`AMT_E_TLS_CHAIN_REFUSED`). With it a setup that is gone on with is proven, and another is told as
 * `AMT_E_ALREADY_PROVISIONED`. Over the network alone. `certificate` has its issuers and its key with it, and is not kept; another call replaces
 * it. Fails with `AMT_E_PFX_OPEN` without exactly one private key that belongs to the leaf.
 *
 * # Safety
 * `job` and `certificate` are null or handles; `err` is null or writable.
 */
amt_status amt_job_set_client_certificate(amt_job *job,
                                          const amt_certificate *certificate,
                                          amt_error **err);

/**
 * The DNS suffix of the machine's network: chooses among certificates.
 *
 * # Safety
 * `job` is null or a handle; `data` is null or readable for `len` bytes; `err` is null or writable.
 */
amt_status amt_job_set_suffix(amt_job *job,
                              const char *data,
                              size_t len,
                              amt_error **err);

/**
 * The host name to set. The machine's certificate is made for it.
 *
 * # Safety
 * `job` is null or a handle; `data` is null or readable for `len` bytes; `err` is null or writable.
 */
amt_status amt_job_set_host_name(amt_job *job,
                                 const char *data,
                                 size_t len,
                                 amt_error **err);

/**
 * The domain name to set.
 *
 * # Safety
 * `job` is null or a handle; `data` is null or readable for `len` bytes; `err` is null or writable.
 */
amt_status amt_job_set_domain_name(amt_job *job,
                                   const char *data,
                                   size_t len,
                                   amt_error **err);

/**
 * The password that the administrator `admin` gets; empty: one is generated.
 *
 * # Safety
 * `job` is null or a handle; `data` is null or readable for `len` bytes; `err` is null or writable.
 */
amt_status amt_job_set_admin_password(amt_job *job,
                                      const char *data,
                                      size_t len,
                                      amt_error **err);

/**
 * The password that the setup menu (MEBx) gets; empty: one is generated.
 *
 * # Safety
 * `job` is null or a handle; `data` is null or readable for `len` bytes; `err` is null or writable.
 */
amt_status amt_job_set_mebx_password(amt_job *job,
                                     const char *data,
                                     size_t len,
                                     amt_error **err);

/**
 * Adds a password to try on a machine that says its credentials are already set.
 *
 * # Safety
 * `job` is null or a handle; `data` is null or readable for `len` bytes; `err` is null or writable.
 */
amt_status amt_job_add_known_password(amt_job *job,
                                      const char *data,
                                      size_t len,
                                      amt_error **err);

/**
 * Adds a pre-shared pair that the machine may hold, as firmware of AMT 2 to 10 waits for: PID and PPS, with or without dashes.
 * `AMT_E_PSK_INVALID` names what no firmware accepts.
 *
 * # Safety
 * `job` is null or a handle; `pid` and `pps` are null or readable for their lengths; `err` is null or writable.
 */
amt_status amt_job_add_psk(amt_job *job,
                           const char *pid,
                           size_t pid_len,
                           const char *pps,
                           size_t pps_len,
                           amt_error **err);

/**
 * Whether old TLS may be used: one of `AMT_LEGACY_TLS_*`. Until told otherwise it is refused.
 *
 * # Safety
 * `job` is null or a handle; `err` is null or writable.
 */
amt_status amt_job_set_legacy_tls(amt_job *job,
                                  uint32_t consent,
                                  amt_error **err);

/**
 * The one-time password that the machine must hold; empty: none is demanded.
 *
 * # Safety
 * `job` is null or a handle; `data` is null or readable for `len` bytes; `err` is null or writable.
 */
amt_status amt_job_set_otp(amt_job *job,
                           const char *data,
                           size_t len,
                           amt_error **err);

/**
 * Has the machine's certificate signed by a local authority: paths of its certificate and of its key (PEM), both made on first
 * use. No `AMT_EVENT_CERTIFY` comes then.
 *
 * # Safety
 * `job` is null or a handle; `certificate` and `key` are null or readable for their lengths; `err` is null or writable.
 */
amt_status amt_job_set_authority_files(amt_job *job,
                                       const char *certificate,
                                       size_t certificate_len,
                                       const char *key,
                                       size_t key_len,
                                       amt_error **err);

/**
 * Keeps the journal in a SQLite file: paths of the database and of the key that seals its secrets, both made on first use. An
 * earlier attempt in it is gone on with. No `AMT_EVENT_PERSIST` comes then.
 *
 * # Safety
 * `job` is null or a handle; `database` and `key` are null or readable for their lengths; `err` is null or writable.
 */
amt_status amt_job_set_journal_file(amt_job *job,
                                    const char *database,
                                    size_t database_len,
                                    const char *key,
                                    size_t key_len,
                                    amt_error **err);

/**
 * Goes on from a record that the caller stored on `AMT_EVENT_PERSIST` in an earlier attempt.
 *
 * # Safety
 * `job` is null or a handle; `data` is null or readable for `len` bytes; `err` is null or writable.
 */
amt_status amt_job_set_record(amt_job *job,
                              const uint8_t *data,
                              size_t len,
                              amt_error **err);

/**
 * Frees `job`. Null does nothing.
 *
 * # Safety
 * `job` is null or a handle, not used again.
 */
amt_status amt_job_free(amt_job *job);

/**
 * Opens ports and awaits hellos at them, into `*out`; free it with `amt_listener_free`. `addresses` is a list such as
 * `0.0.0.0:9971,[::1]:9971`, empty for `[::]:9971`; `[::]` also takes IPv4, and port 0 lets the system choose.
 *
 * Nothing that arrives is authenticated: anybody may say hello. One address may have 64 connections at a time, and one on which nothing comes
 * for 10 seconds is dropped. Fails with `AMT_E_PARSE_TEXT` for what is no address, with `AMT_E_LISTEN` for a port that cannot be opened.
 *
 * # Safety
 * `addresses` is null or readable for `addresses_len` bytes; `out` is null or writable; `err` is null or writable.
 */
amt_status amt_listener_new(const char *addresses,
                            size_t addresses_len,
                            amt_listener **out,
                            amt_error **err);

/**
 * Where it listens, with the port that was chosen where 0 was asked for, as `amt_listener_new` takes it. Valid until `listener` is freed.
 *
 * # Safety
 * `listener` is null or a handle; `data` and `len` are null or writable; `err` is null or writable.
 */
amt_status amt_listener_addresses(const amt_listener *listener,
                                  const char **data,
                                  size_t *len,
                                  amt_error **err);

/**
 * Waits for at most `timeout_ms` and brings what arrived into `*arrival`, to be freed with `amt_arrival_free`; null if nothing did. All work is
 * done inside these calls: between them machines wait in the system's queue, so call again without much delay.
 *
 * # Safety
 * `listener` is null or a handle; `arrival` is null or writable; `err` is null or writable.
 */
amt_status amt_listener_next(amt_listener *listener,
                             uint32_t timeout_ms,
                             amt_arrival **arrival,
                             amt_error **err);

/**
 * Ends the call that is under way in another thread, and every later one, with `AMT_E_CANCELLED`. The ports stay open until the listener is
 * freed.
 *
 * # Safety
 * `listener` is null or a handle; `err` is null or writable.
 */
amt_status amt_listener_cancel(const amt_listener *listener,
                               amt_error **err);

/**
 * Closes the ports and frees `listener`. Null does nothing; while a call is inside, `AMT_E_BUSY` is returned and nothing is freed.
 *
 * # Safety
 * `listener` is null or a handle, not used again.
 */
amt_status amt_listener_free(amt_listener *listener);

/**
 * The IP address that it came from, to which a job connects back. Valid until `arrival` is freed.
 *
 * # Safety
 * `arrival` is null or a handle; `data` and `len` are null or writable; `err` is null or writable.
 */
amt_status amt_arrival_address(const amt_arrival *arrival,
                               const char **data,
                               size_t *len,
                               amt_error **err);

/**
 * The hello into `*hello`, to be freed with `amt_hello_free`; it does not need the arrival. Fails with the reason, such as
 * `AMT_E_DECODE_INVALID`, where the bytes are none: this is no failure of the listener, which goes on.
 *
 * # Safety
 * `arrival` is null or a handle; `hello` is null or writable; `err` is null or writable.
 */
amt_status amt_arrival_hello(const amt_arrival *arrival,
                             amt_hello **hello,
                             amt_error **err);

/**
 * The bytes as received, at most as many as a hello can have. Valid until `arrival` is freed.
 *
 * # Safety
 * `arrival` is null or a handle; `data` and `len` are null or writable; `err` is null or writable.
 */
amt_status amt_arrival_bytes(const amt_arrival *arrival,
                             const uint8_t **data,
                             size_t *len,
                             amt_error **err);

/**
 * How many hellos of this machine arrived within a minute before it.
 *
 * # Safety
 * `arrival` is null or a handle; `repeat` is null or writable; `err` is null or writable.
 */
amt_status amt_arrival_repeat(const amt_arrival *arrival,
                              uint32_t *repeat,
                              amt_error **err);

/**
 * When it was complete, in milliseconds since 1970.
 *
 * # Safety
 * `arrival` is null or a handle; `unix_ms` is null or writable; `err` is null or writable.
 */
amt_status amt_arrival_received(const amt_arrival *arrival,
                                uint64_t *unix_ms,
                                amt_error **err);

/**
 * Frees `arrival`. Null does nothing.
 *
 * # Safety
 * `arrival` is null or a handle, not used again.
 */
amt_status amt_arrival_free(amt_arrival *arrival);

/**
 * Makes a way to the firmware of this machine into `*out`; free it with `amt_local_free`. Needs root or administrator once it is used.
 *
 * # Safety
 * `out` is null or writable; `err` is null or writable.
 */
amt_status amt_local_new(amt_local **out,
                         amt_error **err);

/**
 * Another device of the management engine interface than the system's own; Linux only. Empty: the system's own.
 *
 * # Safety
 * `local` is null or a handle; `data` is null or readable for `len` bytes; `err` is null or writable.
 */
amt_status amt_local_set_device(amt_local *local,
                                const char *data,
                                size_t len,
                                amt_error **err);

/**
 * The way to the firmware's network services, one of `AMT_ROUTE_`, and the address of the local management service; empty: 127.0.0.1.
 *
 * # Safety
 * `local` is null or a handle; `lms` is null or readable for `lms_len` bytes; `err` is null or writable.
 */
amt_status amt_local_set_route(amt_local *local,
                               uint32_t route,
                               const char *lms,
                               size_t lms_len,
                               amt_error **err);

/**
 * Accepts only the certificate with this SHA-256 (32 bytes) on the firmware's local TLS port. Without this any is accepted there.
 *
 * # Safety
 * `local` is null or a handle; `sha256` is null or readable for `len` bytes; `err` is null or writable.
 */
amt_status amt_local_trust_pin(amt_local *local,
                               const uint8_t *sha256,
                               size_t len,
                               amt_error **err);

/**
 * What the firmware says of itself, what answers in place of the local management service, and what would stop provisioning
 * (`findings`), as JSON into `*out`, to be freed with `amt_document_free`: what `amt info --json` shows. Changes nothing.
 *
 * # Safety
 * `local` is null or a handle; `out` is null or writable; `err` is null or writable.
 */
amt_status amt_local_status(amt_local *local,
                            amt_document **out,
                            amt_error **err);

/**
 * Asks the firmware for its UUID and makes a job for this machine into `*out`, for `amt_local_activate` and `amt_local_unprovision`; free it with
 * `amt_job_free`. Passwords, names, certificates and journal are set as for any job; the host name is the system's own until then.
 *
 * # Safety
 * `local` is null or a handle; `out` is null or writable; `err` is null or writable.
 */
amt_status amt_local_job(amt_local *local,
                         amt_job **out,
                         amt_error **err);

/**
 * Prepares taking this machine to a control mode, one of `AMT_MODE_`, without any server, into `*out`; free it with `amt_provision_free`. `options` is
 * 0 or a sum of `AMT_ACTIVATE_`. `local` and `job` are not kept.
 *
 * Go on with `amt_provision_next`. `AMT_EVENT_PERSIST` comes unless the job names a journal file: the record holds the password, and the
 * firmware gets it only after `amt_provision_persisted`. `AMT_EVENT_CERTIFY` does not come. `AMT_EVENT_SIGN` comes where the job has chains of
 * `amt_job_add_chain` in place of certificates with keys: what the firmware wants signed, and with TLS the handshake.
 *
 * # Safety
 * `local` and `job` are null or handles; `out` is null or writable; `err` is null or writable.
 */
amt_status amt_local_activate(amt_local *local,
                              const amt_job *job,
                              uint32_t mode,
                              uint32_t options,
                              amt_provision **out,
                              amt_error **err);

/**
 * Prepares taking the setup of this machine back, to an extent of `AMT_UNPROVISION_`, into `*out`; free it with `amt_provision_free`. Admin control mode
 * needs the administrator's password: in the job's record or journal file, or added as a known password. `local` and `job` are not
 * kept. Go on with `amt_provision_next`.
 *
 * # Safety
 * `local` and `job` are null or handles; `out` is null or writable; `err` is null or writable.
 */
amt_status amt_local_unprovision(amt_local *local,
                                 const amt_job *job,
                                 uint32_t extent,
                                 amt_provision **out,
                                 amt_error **err);

/**
 * Ends the call of `amt_local_status` or `amt_local_job` that is under way in another thread, and every later one, with `AMT_E_CANCELLED`. Attempts
 * have `amt_provision_cancel`.
 *
 * # Safety
 * `local` is null or a handle; `err` is null or writable.
 */
amt_status amt_local_cancel(const amt_local *local,
                            amt_error **err);

/**
 * Frees `local`. Null does nothing; while a call is inside, `AMT_E_BUSY` is returned and nothing is freed.
 *
 * # Safety
 * `local` is null or a handle, not used again.
 */
amt_status amt_local_free(amt_local *local);

/**
 * Sends lines of the library's log up to `level`, one of `AMT_LOG_`, to `sink`, in place of the sink before; null ends that, whatever `level`
 * says. There is one sink for the process, and none at first: then nothing is logged anywhere.
 *
 * `sink` is called on the thread that does the work, inside the call that does it, or on a thread of a database; on several threads at a
 * time. It has to return soon, must not unwind or jump out, and what it calls of this library is not logged. When this function
 * returns, the sink before runs on no thread and will not be called again: `user_data`, which is handed through and never looked at, may then
 * be freed. No line has a secret in it.
 *
 * Fails with `AMT_E_BUSY` inside the sink itself, and with `AMT_E_UNSUPPORTED` in a Rust program that has a subscriber of its own.
 *
 * # Safety
 * `sink` is null or such a function, which may be called with `user_data` from any thread until another sink, or none, was set; `err` is null or
 * writable.
 */
amt_status amt_log_set_sink(uint32_t level,
                            amt_log_sink sink,
                            void *user_data,
                            amt_error **err);

/**
 * Reads how the computer stands and what can be done with it now into `*reply`, to be freed with `amt_document_free`: what
 * `amt power status --json` shows.
 *
 * # Safety
 * `device` is null or a handle; `reply` is null or writable; `err` is null or writable.
 */
amt_status amt_device_power(amt_device *device,
                            amt_document **reply,
                            amt_error **err);

/**
 * Has the computer do one of `AMT_POWER_`, once: what the firmware does not list as possible now fails with `AMT_E_WRONG_STATE` before it is
 * sent. The reply is a JSON object with `action`, `before` and `answer`: `accepted`, or `lost` where the firmware's answer was lost and the
 * state shows that it was done.
 *
 * # Safety
 * `device` is null or a handle; `reply` is null or writable; `err` is null or writable.
 */
amt_status amt_device_power_action(amt_device *device,
                                   uint32_t action,
                                   amt_document **reply,
                                   amt_error **err);

/**
 * Sets the next boot, one of `AMT_BOOT_`, for once, and starts the computer as `then` says: one of `AMT_THEN_`, or `AMT_POWER_RESET`, `_ON` or
 * `_CYCLE`. `url` goes with `AMT_BOOT_HTTPS` and is empty otherwise; with `sol` 1 the console goes over the network during it, else 0. A step
 * that is refused takes back what was set. The reply is a JSON object with `next`, `url`, `sol` and `power`: as `amt_device_power_action`, or
 * null.
 *
 * # Safety
 * `device` is null or a handle; `url` is null or readable for `url_len` bytes; `reply` is null or writable; `err` is null or writable.
 */
amt_status amt_device_boot(amt_device *device,
                           uint32_t source,
                           const char *url,
                           size_t url_len,
                           uint32_t sol,
                           uint32_t then,
                           amt_document **reply,
                           amt_error **err);

/**
 * Reads how the next boot is set and what is possible: what `amt boot show --json` shows.
 *
 * # Safety
 * `device` is null or a handle; `reply` is null or writable; `err` is null or writable.
 */
amt_status amt_device_boot_state(amt_device *device,
                                 amt_document **reply,
                                 amt_error **err);

/**
 * Takes back what `amt_device_boot` set: the next boot is one like any other.
 *
 * # Safety
 * `device` is null or a handle; `err` is null or writable.
 */
amt_status amt_device_clear_boot(amt_device *device,
                                 amt_error **err);

/**
 * Reads the event log, the newest record first: what `amt log events --json` shows.
 *
 * # Safety
 * `device` is null or a handle; `reply` is null or writable; `err` is null or writable.
 */
amt_status amt_device_event_log(amt_device *device,
                                amt_document **reply,
                                amt_error **err);

/**
 * Removes all events. A frozen log is not cleared: `AMT_E_RETURN_VALUE`.
 *
 * # Safety
 * `device` is null or a handle; `err` is null or writable.
 */
amt_status amt_device_clear_event_log(amt_device *device,
                                      amt_error **err);

/**
 * With `frozen` 1 new events are kept out of the log, with 0 they are let in again.
 *
 * # Safety
 * `device` is null or a handle; `err` is null or writable.
 */
amt_status amt_device_freeze_event_log(amt_device *device,
                                       uint32_t frozen,
                                       amt_error **err);

/**
 * Reads the audit log, the oldest record first: what `amt audit --json` shows. The user needs realm 20 (audit log) or 3 (administration).
 *
 * # Safety
 * `device` is null or a handle; `reply` is null or writable; `err` is null or writable.
 */
amt_status amt_device_audit_log(amt_device *device,
                                amt_document **reply,
                                amt_error **err);

/**
 * Reads what the machine is made of: what `amt inventory --json` shows.
 *
 * # Safety
 * `device` is null or a handle; `reply` is null or writable; `err` is null or writable.
 */
amt_status amt_device_inventory(amt_device *device,
                                amt_document **reply,
                                amt_error **err);

/**
 * Reads whether and by whom the machine was set up, its names, firmware and certificate: what `amt status --json` shows. For `admin`, over
 * TLS, on connections of its own.
 *
 * # Safety
 * `device` is null or a handle; `reply` is null or writable; `err` is null or writable.
 */
amt_status amt_device_status(amt_device *device,
                             amt_document **reply,
                             amt_error **err);

/**
 * Reads which sessions are free, and which somebody has: what `amt sessions --json` shows. `redirection_port` 0 is the usual one: 16995, or
 * 16994 without TLS. The user needs realm 2 (redirection) or 3 (administration).
 *
 * # Safety
 * `device` is null or a handle; `reply` is null or writable; `err` is null or writable.
 */
amt_status amt_device_sessions(amt_device *device,
                               uint16_t redirection_port,
                               amt_document **reply,
                               amt_error **err);

/**
 * Reads the authorities that the machine trusts, and those above its own certificate: what `amt trust export --json` shows, `bundle` being the
 * PEM text, which is empty where there are none. Whom the machine is taken for is said by the `amt_device_trust_` functions.
 *
 * # Safety
 * `device` is null or a handle; `reply` is null or writable; `err` is null or writable.
 */
amt_status amt_device_authorities(amt_device *device,
                                  amt_document **reply,
                                  amt_error **err);

/**
 * Adds the authorities of a bundle (PEM, the root first) that the machine does not trust yet; with `dry_run` 1 says what would be added, and writes
 * nothing, else 0. Nothing is removed. The reply is what `amt trust import --json` shows. A bundle that is wrong fails with
 * `AMT_E_CERTIFICATE_PARSE` before anything is sent; `amt_authorities_check` says all that is wrong with it.
 *
 * # Safety
 * `device` is null or a handle; `bundle` is null or readable for `bundle_len` bytes; `reply` is null or writable; `err` is null or writable.
 */
amt_status amt_device_add_authorities(amt_device *device,
                                      const uint8_t *bundle,
                                      size_t bundle_len,
                                      uint32_t dry_run,
                                      amt_document **reply,
                                      amt_error **err);

/**
 * Says everything that is wrong with a bundle of authorities (docs/operate.md), as findings in `*out`, to be freed with `amt_findings_free`.
 * Nothing is sent.
 *
 * # Safety
 * `bundle` is null or readable for `bundle_len` bytes; `out` is null or writable; `err` is null or writable.
 */
amt_status amt_authorities_check(const uint8_t *bundle,
                                 size_t bundle_len,
                                 amt_findings **out,
                                 amt_error **err);

/**
 * Compares the machine's clock with this system's; with `set` 1 makes it right if it is off by more than ten seconds, and reads it back, else 0.
 * The reply is what `amt clock --json` shows. For `admin`, over TLS, on connections of its own.
 *
 * # Safety
 * `device` is null or a handle; `reply` is null or writable; `err` is null or writable.
 */
amt_status amt_device_clock(amt_device *device,
                            uint32_t set,
                            amt_document **reply,
                            amt_error **err);

/**
 * Prepares an attempt into `*out`; free it with `amt_provision_free`. `job` is not kept. Opens the journal file and the authority's files
 * if the job names them; nothing is sent to the machine before `amt_provision_next`.
 *
 * # Safety
 * `job` is null or a handle; `out` is null or writable; `err` is null or writable.
 */
amt_status amt_provision_new(const amt_job *job,
                             amt_provision **out,
                             amt_error **err);

/**
 * Goes on for at most `timeout_ms` and brings an event into `*event`, to be freed with `amt_event_free`; null if the time was over
 * before there was one.
 *
 * Call it until `AMT_EVENT_DONE`, or until it fails with what ended the attempt; the same end is told again by later calls.
 * All work is done inside these calls: a machine that is waiting is not waiting for ever, so call again without delay. After
 * `AMT_EVENT_PERSIST`, `AMT_EVENT_CERTIFY` and `AMT_EVENT_SIGN` the answer has to be given first; without it the call fails with `AMT_E_INVALID_ARGUMENT`, and
 * nothing is lost.
 *
 * # Safety
 * `provision` is null or a handle; `event` is null or writable; `err` is null or writable.
 */
amt_status amt_provision_next(amt_provision *provision,
                              uint32_t timeout_ms,
                              amt_event **event,
                              amt_error **err);

/**
 * Answers `AMT_EVENT_PERSIST`: the record is durable and would survive a power cut. Only now secrets in it are sent to the machine.
 *
 * # Safety
 * `provision` is null or a handle; `err` is null or writable.
 */
amt_status amt_provision_persisted(amt_provision *provision,
                                   amt_error **err);

/**
 * Answers `AMT_EVENT_PERSIST`: the record could not be stored, for this reason. The attempt ends with `AMT_E_JOURNAL`.
 *
 * # Safety
 * `provision` is null or a handle; `reason` is null or readable for `reason_len` bytes; `err` is null or writable.
 */
amt_status amt_provision_persist_failed(amt_provision *provision,
                                        const char *reason,
                                        size_t reason_len,
                                        amt_error **err);

/**
 * Answers `AMT_EVENT_CERTIFY` with certificates in PEM: the machine's own first, then its issuers up to the root. The machine's
 * alone may also be given as DER.
 *
 * # Safety
 * `provision` is null or a handle; `data` is null or readable for `len` bytes; `err` is null or writable.
 */
amt_status amt_provision_issued(amt_provision *provision,
                                const uint8_t *data,
                                size_t len,
                                amt_error **err);

/**
 * Answers `AMT_EVENT_CERTIFY`: the authority has not decided; `request_id` is its name for the request and comes back when it is
 * asked again, also in a later attempt.
 *
 * # Safety
 * `provision` is null or a handle; `request_id` is null or readable for `request_id_len` bytes; `err` is null or writable.
 */
amt_status amt_provision_pending(amt_provision *provision,
                                 const char *request_id,
                                 size_t request_id_len,
                                 uint32_t retry_after_s,
                                 amt_error **err);

/**
 * Answers `AMT_EVENT_CERTIFY`: the authority refused, for this reason. The attempt ends with `AMT_E_CA_DENIED`.
 *
 * # Safety
 * `provision` is null or a handle; `reason` is null or readable for `reason_len` bytes; `err` is null or writable.
 */
amt_status amt_provision_denied(amt_provision *provision,
                                const char *reason,
                                size_t reason_len,
                                amt_error **err);

/**
 * Answers `AMT_EVENT_SIGN` with the signature: RSA, PKCS#1 v1.5, over the SHA-256 of the data, as `openssl dgst -sha256 -sign` makes it.
 *
 * # Safety
 * `provision` is null or a handle; `data` is null or readable for `len` bytes; `err` is null or writable.
 */
amt_status amt_provision_signed(amt_provision *provision,
                                const uint8_t *data,
                                size_t len,
                                amt_error **err);

/**
 * Answers `AMT_EVENT_SIGN`: there is no signature, for this reason. The attempt ends with `AMT_E_SIGNER`.
 *
 * # Safety
 * `provision` is null or a handle; `reason` is null or readable for `reason_len` bytes; `err` is null or writable.
 */
amt_status amt_provision_sign_failed(amt_provision *provision,
                                     const char *reason,
                                     size_t reason_len,
                                     amt_error **err);

/**
 * Ends the attempt with `AMT_E_CANCELLED`, also while another thread waits in `amt_provision_next`. What was made durable stays, and
 * a later attempt goes on from there.
 *
 * # Safety
 * `provision` is null or a handle; `err` is null or writable.
 */
amt_status amt_provision_cancel(const amt_provision *provision,
                                amt_error **err);

/**
 * Frees `provision` and ends its connection. Null does nothing; while a call is inside, `AMT_E_BUSY` is returned and nothing is freed.
 *
 * # Safety
 * `provision` is null or a handle, not used again.
 */
amt_status amt_provision_free(amt_provision *provision);

/**
 * Checks a pair as firmware does, into `*out`; free it with `amt_psk_free`. `form` is one of `AMT_PSK_`.
 *
 * Fails with `AMT_E_PSK_INVALID`, whose message names the length, the character or the group that is wrong, never the PPS.
 *
 * # Safety
 * `pid` and `pps` are null or readable for their lengths; `out` is null or writable; `err` is null or writable.
 */
amt_status amt_psk_parse(const char *pid,
                         size_t pid_len,
                         const char *pps,
                         size_t pps_len,
                         uint32_t form,
                         amt_psk **out,
                         amt_error **err);

/**
 * Makes a new pair out of the system's randomness into `*out`; free it with `amt_psk_free`. `pid` names the pair; empty: it is made too.
 *
 * # Safety
 * `pid` is null or readable for `pid_len` bytes; `out` is null or writable; `err` is null or writable.
 */
amt_status amt_psk_generate(const char *pid,
                            size_t pid_len,
                            amt_psk **out,
                            amt_error **err);

/**
 * The PID: 8 characters, or `XXXX-XXXX` if `dashed` is 1. Valid until `psk` is freed.
 *
 * # Safety
 * `psk` is null or a handle; `data` and `len` are null or writable; `err` is null or writable.
 */
amt_status amt_psk_pid(const amt_psk *psk,
                       uint32_t dashed,
                       const char **data,
                       size_t *len,
                       amt_error **err);

/**
 * The PPS, a secret: 32 characters, or eight groups with dashes between, as people type it, if `dashed` is 1. Valid until `psk` is freed.
 *
 * # Safety
 * `psk` is null or a handle; `data` and `len` are null or writable; `err` is null or writable.
 */
amt_status amt_psk_pps(const amt_psk *psk,
                       uint32_t dashed,
                       const char **data,
                       size_t *len,
                       amt_error **err);

/**
 * Frees `psk`. Null does nothing.
 *
 * # Safety
 * `psk` is null or a handle, not used again.
 */
amt_status amt_psk_free(amt_psk *psk);

/**
 * Has the host asked about every machine, after the rules and the program of the configuration (docs/resolver.md), and waits `patience_ms` for
 * each answer; 0: no longer. Until this is called it is not asked. A machine that is asked about brings the event `question` in
 * `amt_server_next`.
 *
 * # Safety
 * `server` is null or a handle; `err` is null or writable.
 */
amt_status amt_server_ask_host(const amt_server *server,
                               uint32_t patience_ms,
                               amt_error **err);

/**
 * Takes the oldest question that was not taken yet: its number, and as JSON into `*asked`, to be freed with `amt_document_free`, all that is known
 * of the machine: what a program of `[resolver]` gets (docs/resolver.md). 0 and null: there is none. Any thread may call this at any time, also
 * beside `amt_server_next`.
 *
 * # Safety
 * `server` is null or a handle; `question` and `asked` are null or writable; `err` is null or writable.
 */
amt_status amt_server_question(const amt_server *server,
                               uint64_t *question,
                               amt_document **asked,
                               amt_error **err);

/**
 * Answers a question with a JSON object as of docs/resolver.md: `{"entry": "admit", "name": "pc1.example.com", "profile": "desk"}` lets the
 * machine in, `{"entry": "park", "reason": "not ours"}` keeps it out, `{}` leaves everything open. Any thread may call this at any time; the
 * server goes on with it inside `amt_server_next`.
 *
 * Fails with `AMT_E_PARSE_TEXT` for what is no answer, the question then waits on; with `AMT_E_INVALID_ARGUMENT` if nobody waits for it any more:
 * it was answered, or the time was over.
 *
 * # Safety
 * `server` is null or a handle; `answer` is null or readable for its length; `err` is null or writable.
 */
amt_status amt_server_answer(const amt_server *server,
                             uint64_t question,
                             const char *answer,
                             size_t answer_len,
                             amt_error **err);

/**
 * Answers a question: the host cannot say now, for this reason. A machine whose setup has not begun is parked as `RESOLVER`, and asked about
 * again when it says hello next; one that has begun goes on. The same happens where the time is over.
 *
 * # Safety
 * `server` is null or a handle; `reason` is null or readable for `reason_len` bytes; `err` is null or writable.
 */
amt_status amt_server_answer_failed(const amt_server *server,
                                    uint64_t question,
                                    const char *reason,
                                    size_t reason_len,
                                    amt_error **err);

/**
 * Reads a record that came with `AMT_EVENT_PERSIST` into `*out`; free it with `amt_record_free`. `data` is not kept.
 *
 * Fails with `AMT_E_JOURNAL` if it is damaged or of a newer version.
 *
 * # Safety
 * `data` is null or readable for `len` bytes; `out` is null or writable; `err` is null or writable.
 */
amt_status amt_record_parse(const uint8_t *data,
                            size_t len,
                            amt_record **out,
                            amt_error **err);

/**
 * The machine's UUID as text. Valid until `record` is freed.
 *
 * # Safety
 * `record` is null or a handle; `data` and `len` are null or writable; `err` is null or writable.
 */
amt_status amt_record_uuid(const amt_record *record,
                           const char **data,
                           size_t *len,
                           amt_error **err);

/**
 * How many passwords of `admin` are recorded. More than one as long as it is not proven which of them the machine took.
 *
 * # Safety
 * `record` is null or a handle; `count` is null or writable; `err` is null or writable.
 */
amt_status amt_record_admin_password_count(const amt_record *record,
                                           size_t *count,
                                           amt_error **err);

/**
 * A password of `admin`, likeliest first. Valid until `record` is freed.
 *
 * # Safety
 * `record` is null or a handle; `data` and `len` are null or writable; `err` is null or writable.
 */
amt_status amt_record_admin_password(const amt_record *record,
                                     size_t index,
                                     const char **data,
                                     size_t *len,
                                     amt_error **err);

/**
 * How many passwords of the setup menu (MEBx) are recorded.
 *
 * # Safety
 * `record` is null or a handle; `count` is null or writable; `err` is null or writable.
 */
amt_status amt_record_mebx_password_count(const amt_record *record,
                                          size_t *count,
                                          amt_error **err);

/**
 * A password of the setup menu, likeliest first. Valid until `record` is freed.
 *
 * # Safety
 * `record` is null or a handle; `data` and `len` are null or writable; `err` is null or writable.
 */
amt_status amt_record_mebx_password(const amt_record *record,
                                    size_t index,
                                    const char **data,
                                    size_t *len,
                                    amt_error **err);

/**
 * The certificate (DER) of the machine's TLS server, to be pinned when connecting; empty as long as there is none. Valid until
 * `record` is freed.
 *
 * # Safety
 * `record` is null or a handle; `data` and `len` are null or writable; `err` is null or writable.
 */
amt_status amt_record_certificate(const amt_record *record,
                                  const uint8_t **data,
                                  size_t *len,
                                  amt_error **err);

/**
 * 1 if the machine has proven that it is provisioned, else 0.
 *
 * # Safety
 * `record` is null or a handle; `verified` is null or writable; `err` is null or writable.
 */
amt_status amt_record_verified(const amt_record *record,
                               uint32_t *verified,
                               amt_error **err);

/**
 * Frees `record`. Null does nothing.
 *
 * # Safety
 * `record` is null or a handle, not used again.
 */
amt_status amt_record_free(amt_record *record);

/**
 * Binds the ports of the configuration file at `config` (docs/setup-server.md) over a database, into `*out`; free it with `amt_server_free`.
 * The file's own `database` and `seal_key_file` are not used. It need not name a provisioning certificate where `amt_server_add_chain` gives one. With an `[intake]` (docs/intake.md) clients on the machines report to it too.
 *
 * Fails with `AMT_E_CONFIG`, whose message lists everything that is wrong, one line each, and with `AMT_E_LISTEN`.
 *
 * # Safety
 * `fleet` is null or a handle; `config` is null or readable for its length; `out` is null or writable; `err` is null or writable.
 */
amt_status amt_server_new(amt_fleet *fleet,
                          const char *config,
                          size_t config_len,
                          amt_server **out,
                          amt_error **err);

/**
 * Where hellos are awaited, as a list with commas, with the port that was chosen where 0 was asked for. Valid until `server` is freed.
 *
 * # Safety
 * `server` is null or a handle; `data` and `len` are null or writable; `err` is null or writable.
 */
amt_status amt_server_addresses(const amt_server *server,
                                const char **data,
                                size_t *len,
                                amt_error **err);

/**
 * Where clients on the machines report, as a list with commas, with the port that was chosen where 0 was asked for; empty without an `[intake]`.
 * Valid until `server` is freed.
 *
 * # Safety
 * As for `amt_server_addresses`.
 */
amt_status amt_server_intake_addresses(const amt_server *server,
                                       const char **data,
                                       size_t *len,
                                       amt_error **err);

/**
 * What clients know the intake by: the SHA-256 (hex) of its certificate, as `amt enroll --pin` takes it; empty without an `[intake]`. Valid until
 * `server` is freed.
 *
 * # Safety
 * As for `amt_server_addresses`.
 */
amt_status amt_server_intake_pin(const amt_server *server,
                                 const char **data,
                                 size_t *len,
                                 amt_error **err);

/**
 * Serves for at most `timeout_ms` and brings what happened, one event as a JSON object as of `amt serve --json`, into `*event`, to be freed with
 * `amt_document_free`; null if nothing did. The event `question` says that `amt_server_question` has one to take, the event `signature` that
 * `amt_server_signature` has.
 *
 * All work is done inside these calls, for all machines at a time: call it without delay, from one thread, until it fails: with
 * `AMT_E_CANCELLED` after `amt_server_stop`, else with what ended the server: with `AMT_E_CONFIG` at once where there is no provisioning certificate. Whatever ends it, and a power cut too, what was unfinished is
 * taken up by the next server on the database.
 *
 * # Safety
 * `server` is null or a handle; `event` is null or writable; `err` is null or writable.
 */
amt_status amt_server_next(amt_server *server,
                           uint32_t timeout_ms,
                           amt_document **event,
                           amt_error **err);

/**
 * Asks the server to end: `amt_server_next` then lets what runs come to an end, for ten seconds at most.
 *
 * # Safety
 * `server` is null or a handle; `err` is null or writable.
 */
amt_status amt_server_stop(const amt_server *server,
                           amt_error **err);

/**
 * Closes the ports, cuts off what runs, and frees `server`. Null does nothing; while a call is inside, `AMT_E_BUSY` is returned and nothing is
 * freed.
 *
 * # Safety
 * `server` is null or a handle, not used again.
 */
amt_status amt_server_free(amt_server *server);

/**
 * Reads a file into `*out`, as far as it can be read; free it with `amt_setupbin_free`. `data` is not kept.
 *
 * Fails with `AMT_E_SETUP_BIN` if it is none; `amt_setupbin_lint` tells what is wrong with one that could be read.
 *
 * # Safety
 * `data` is null or readable for `len` bytes; `out` is null or writable; `err` is null or writable.
 */
amt_status amt_setupbin_parse(const uint8_t *data,
                              size_t len,
                              amt_setupbin **out,
                              amt_error **err);

/**
 * Makes a file into `*out` out of a JSON document; free it with `amt_setupbin_free`. `data` is not kept. The least that is needed is
 * `{"records": [{"entries": {"current_password": "admin", "new_password": "…"}}]}`; `amt_setupbin_variables` lists names and values.
 * What the version of the file cannot carry is refused.
 *
 * Without `version` it is 2.1 for a file with pairs (`pid`, `pps`) and 4 for any other; `"reusable": true` lets every record be used
 * again. What `amt_setupbin_json` gave, with secrets, is rebuilt to the byte. Fails with `AMT_E_SETUP_BIN`; the message names the place and
 * repeats no value.
 *
 * # Safety
 * `data` is null or readable for `len` bytes; `out` is null or writable; `err` is null or writable.
 */
amt_status amt_setupbin_from_json(const char *data,
                                  size_t len,
                                  amt_setupbin **out,
                                  amt_error **err);

/**
 * The file, to be written to the stick. Valid until `setupbin` is freed.
 *
 * # Safety
 * `setupbin` is null or a handle; `data` and `len` are null or writable; `err` is null or writable.
 */
amt_status amt_setupbin_bytes(const amt_setupbin *setupbin,
                              const uint8_t **data,
                              size_t *len,
                              amt_error **err);

/**
 * What is in the file, as JSON: `version`, `flags`, `consumed`, `modules`, `records` with their `entries`, and `findings`. Passwords, PPS and passcodes
 * are null unless `reveal` is 1.
 *
 * # Safety
 * `setupbin` is null or a handle; `out` is null or writable; `err` is null or writable.
 */
amt_status amt_setupbin_json(const amt_setupbin *setupbin,
                             uint32_t reveal,
                             amt_document **out,
                             amt_error **err);

/**
 * Lists everything that is wrong with a file, also with one that cannot be read, into `*out`; free it with `amt_findings_free`.
 *
 * # Safety
 * `data` is null or readable for `len` bytes; `out` is null or writable; `err` is null or writable.
 */
amt_status amt_setupbin_lint(const uint8_t *data,
                             size_t len,
                             amt_findings **out,
                             amt_error **err);

/**
 * The variables that a record may have, as JSON: a list of `module`, `variable`, `name`, `since` (version of the file), `type`, `secret`, `values`, `about`.
 *
 * # Safety
 * `out` is null or writable; `err` is null or writable.
 */
amt_status amt_setupbin_variables(amt_document **out,
                                  amt_error **err);

/**
 * Frees `setupbin`. Null does nothing.
 *
 * # Safety
 * `setupbin` is null or a handle, not used again.
 */
amt_status amt_setupbin_free(amt_setupbin *setupbin);

/**
 * Adds a provisioning certificate for whose key the host signs, before the first `amt_server_next`: beside those of the configuration, which then
 * need not name any. They are numbered from 0 in the order of these calls. For machines from AMT 14 on. A machine that one is presented to
 * brings the event `signature` in `amt_server_next`. A key that `certificate` may have is not used. `certificate` is not kept.
 *
 * Fails with `AMT_E_CERTIFICATE_PARSE` if it holds no chain, with `AMT_E_INVALID_ARGUMENT` once the server serves.
 *
 * # Safety
 * `server` and `certificate` are null or handles; `err` is null or writable.
 */
amt_status amt_server_add_chain(amt_server *server,
                                const amt_certificate *certificate,
                                amt_error **err);

/**
 * Takes the oldest signature that is needed and was not taken yet: its number, and into `*asked`, to be freed with `amt_event_free`, an
 * `AMT_EVENT_SIGN`, of which `amt_event_sign_data` tells the number of the certificate and the data. 0 and null: there is none. Any thread may
 * call this at any time, also beside `amt_server_next`.
 *
 * # Safety
 * `server` is null or a handle; `signature` and `asked` are null or writable; `err` is null or writable.
 */
amt_status amt_server_signature(const amt_server *server,
                                uint64_t *signature,
                                amt_event **asked,
                                amt_error **err);

/**
 * Gives the signature that was asked for under this number: RSA, PKCS#1 v1.5, over the SHA-256 of the data, as `openssl dgst -sha256 -sign` makes
 * it. It belongs to a handshake: the machine hangs up when it waits for long, and after 20 seconds the attempt fails and is repeated like any
 * other. Any thread may call this at any time; the server goes on with it inside `amt_server_next`.
 *
 * Fails with `AMT_E_INVALID_ARGUMENT` for what is no signature, it is waited for on; and if nobody waits for it any more.
 *
 * # Safety
 * `server` is null or a handle; `data` is null or readable for `len` bytes; `err` is null or writable.
 */
amt_status amt_server_sign(const amt_server *server,
                           uint64_t signature,
                           const uint8_t *data,
                           size_t len,
                           amt_error **err);

/**
 * There is no signature under this number, for this reason. The attempt fails with `AMT_E_SIGNER`, which quotes it, and is repeated later
 * (`[retry]` of the configuration); the machine waits for its setup as before.
 *
 * # Safety
 * `server` is null or a handle; `reason` is null or readable for `reason_len` bytes; `err` is null or writable.
 */
amt_status amt_server_sign_failed(const amt_server *server,
                                  uint64_t signature,
                                  const char *reason,
                                  size_t reason_len,
                                  amt_error **err);

/**
 * Says everything that is wrong with a profile (docs/profile.md), and with `firmware`, such as `16.1`, also what that firmware cannot do, as
 * findings in `*out`, to be freed with `amt_findings_free`. `document` is TOML, or JSON if it begins with a brace. Files and secrets that it
 * names are not looked at. Fails with `AMT_E_PARSE_TEXT` for what is neither.
 *
 * # Safety
 * `document` and `firmware` are null or readable for their lengths; `out` is null or writable; `err` is null or writable.
 */
amt_status amt_profile_check(const char *document,
                             size_t document_len,
                             const char *firmware,
                             size_t firmware_len,
                             amt_findings **out,
                             amt_error **err);

/**
 * Prepares making the machine what a profile says (docs/profile.md) into `*out`; free it with `amt_provision_free`. `document` is as in
 * `amt_profile_check`; files that it names are looked for in `folder` (empty: the working directory), variables in the environment.
 * `options` is 0 or `AMT_UPKEEP_DRY_RUN`. `device` is not kept; it has to be `admin`'s, over TLS.
 *
 * Go on with `amt_provision_next`. `AMT_EVENT_PERSIST` comes before anything is written: its record, of this machine alone, is `record` at the next
 * time (empty: none yet), whatever the profile. It holds keyed digests of the secrets written last, so that they are not written again and
 * again, and the key that was made for a machine that makes none itself. `AMT_EVENT_CERTIFY` comes where the profile logs in to the network with
 * a certificate (`tls`, `fast-tls`) and the machine has none that is good. `amt_event_result` of `AMT_EVENT_DONE` tells the differences and what the machine cannot do.
 *
 * # Safety
 * `device` is null or a handle; `document`, `folder` and `record` are null or readable for their lengths; `out` is null or writable; `err` is
 * null or writable.
 */
amt_status amt_device_configure(amt_device *device,
                                const char *document,
                                size_t document_len,
                                const char *folder,
                                size_t folder_len,
                                const uint8_t *record,
                                size_t record_len,
                                uint32_t options,
                                amt_provision **out,
                                amt_error **err);

/**
 * Prepares giving the machine's `admin` another password into `*out`; free it with `amt_provision_free`. Empty: a strong one is generated.
 * `device` is not kept; it has to be `admin`'s, over TLS.
 *
 * Go on with `amt_provision_next`. `AMT_EVENT_PERSIST` comes before the new password is sent: its record has the new one and the old one, and after
 * `AMT_EVENT_DONE` the new one alone (`amt_record_admin_password`). `record` is the machine's record: that of an attempt that broke off, which
 * is gone on with, or of its setup; empty if there is none.
 *
 * # Safety
 * `device` is null or a handle; `password` and `record` are null or readable for their lengths; `out` is null or writable; `err` is null or
 * writable.
 */
amt_status amt_device_rotate(amt_device *device,
                             const char *password,
                             size_t password_len,
                             const uint8_t *record,
                             size_t record_len,
                             amt_provision **out,
                             amt_error **err);

/**
 * Prepares giving the machine another certificate, with a new key pair, into `*out`; free it with `amt_provision_free`. It is due when `at_percent` of
 * the life of the one that it serves is over (1 to 100), or with 0 at once; before that nothing is written. The authority is that of
 * `amt_job_set_authority_files`: paths of its certificate and key; both empty: `AMT_EVENT_CERTIFY` comes. `device` is not kept; it has to be `admin`'s,
 * over TLS.
 *
 * Go on with `amt_provision_next`. `AMT_EVENT_PERSIST` comes before each step that depends on its record, which may hold the key of a machine that
 * makes none itself; `record` is that of a renewal that broke off, also to wait for the authority (`AMT_E_CA_PENDING`); empty: a new one.
 * After `AMT_EVENT_DONE` the record is of no more use; `amt_event_result` has the SHA-256 of the certificate for `amt_device_trust_pin`.
 *
 * # Safety
 * `device` is null or a handle; `certificate`, `key` and `record` are null or readable for their lengths; `out` is null or writable; `err` is
 * null or writable.
 */
amt_status amt_device_renew(amt_device *device,
                            uint32_t at_percent,
                            const char *certificate,
                            size_t certificate_len,
                            const char *key,
                            size_t key_len,
                            const uint8_t *record,
                            size_t record_len,
                            amt_provision **out,
                            amt_error **err);

/**
 * Prepares taking the setup of the machine back over the network, to an extent of `AMT_UNPROVISION_`, into `*out`; free it with
 * `amt_provision_free`. `options` is 0 or `AMT_UPKEEP_DRY_RUN`, which finds out what it would mean. `device` is not kept; it has to be `admin`'s, over
 * TLS. `amt_local_unprovision` is for the machine that this runs on.
 *
 * Go on with `amt_provision_next`. `AMT_EVENT_PERSIST` comes before the request is sent, which is sent once; the record keeps the passwords. `record`
 * is as in `amt_device_rotate`: an attempt that broke off is gone on with, by looking first. `amt_event_result` of `AMT_EVENT_DONE` tells what was
 * seen, and what is left in the machine.
 *
 * # Safety
 * `device` is null or a handle; `record` is null or readable for its length; `out` is null or writable; `err` is null or writable.
 */
amt_status amt_device_unprovision(amt_device *device,
                                  uint32_t extent,
                                  const uint8_t *record,
                                  size_t record_len,
                                  uint32_t options,
                                  amt_provision **out,
                                  amt_error **err);

/**
 * Version of the binary interface of the library that is loaded. Refuse to go on where it is not `AMT_ABI_VERSION`.
 */
uint32_t amt_abi_version(void);

/**
 * Version of the library that is loaded, in the form of `AMT_VERSION_NUMBER`.
 */
uint32_t amt_version_number(void);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* AMT_H */
