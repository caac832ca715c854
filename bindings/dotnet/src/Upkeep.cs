using System;
using System.Collections.Generic;
using System.Security;

namespace Amt
{
    /// <summary>Documents that say what machines shall be.</summary>
    public static class Profile
    {
        /// <summary>Everything that is wrong with a profile, at once. Files and secrets that it names are not looked at.</summary>
        /// <param name="document">TOML, or JSON if it begins with a brace.</param>
        /// <param name="firmware">Also what this firmware cannot do, for example <c>16.1</c>.</param>
        /// <exception cref="AmtException"><see cref="AmtCode.ParseText"/>: it is neither.</exception>
        public static IReadOnlyList<Finding> Check(string document, string firmware = null)
        {
            byte[] bytes = Writing.Required(document, "document"), version = Writing.Text(firmware);
            Library.Check();
            FindingsHandle findings;
            IntPtr err;
            uint status = Native.amt_profile_check(bytes, bytes.Length(), version, version.Length(), out findings, out err);
            Failure.Check(status, err);
            using (findings)
            {
                return Finding.All(findings);
            }
        }
    }

    /// <summary>Files (PEM) of a local authority, made on first use.</summary>
    public sealed class AuthorityFiles
    {
        /// <summary>Its certificate and its key.</summary>
        public AuthorityFiles(string certificate, string key)
        {
            if (certificate == null)
            {
                throw new ArgumentNullException("certificate");
            }
            if (key == null)
            {
                throw new ArgumentNullException("key");
            }
            Certificate = certificate;
            Key = key;
        }

        /// <summary>Path of its certificate.</summary>
        public string Certificate { get; private set; }

        /// <summary>Path of its key.</summary>
        public string Key { get; private set; }
    }

    // What changes how a machine is set up. Each is an attempt whose record is stored before anything depends on it.
    public sealed partial class Device
    {
        private const uint DryRun = 1;

        /// <summary>Prepares making the machine what a profile says; nothing is sent before <see cref="Provisioning.Next"/> or
        /// <see cref="Provisioning.Run"/>. For <c>admin</c>, over TLS; this device is not needed any more. <see cref="Outcome.Result"/> tells the
        /// differences and what the machine cannot do.</summary>
        /// <param name="profile">TOML, or JSON if it begins with a brace.</param>
        /// <param name="folder">Where files that it names are looked for; null: the working directory.</param>
        /// <param name="record">What was stored for this machine the last time a profile was applied; null: nothing yet. It holds keyed
        /// digests of secrets, and is none for <see cref="Record.Parse"/>.</param>
        /// <param name="dryRun">Read and compare, and write nothing.</param>
        public Provisioning Configure(string profile, string folder = null, byte[] record = null, bool dryRun = false)
        {
            byte[] document = Writing.Required(profile, "profile"), where = Writing.Text(folder);
            ProvisionHandle attempt;
            IntPtr err;
            uint status = Native.amt_device_configure(
                handle, document, document.Length(), where, where.Length(), record, record.Length(), dryRun ? DryRun : 0,
                out attempt, out err);
            Failure.Check(status, err);
            return new Provisioning(attempt);
        }

        /// <summary>Prepares giving the machine's <c>admin</c> another password, which the record has before it is sent; nothing is sent before
        /// <see cref="Provisioning.Next"/> or <see cref="Provisioning.Run"/>. For <c>admin</c>, over TLS; this device is not needed any
        /// more.</summary>
        /// <param name="password">The new one; null: a strong one is generated.</param>
        /// <param name="record">The machine's record: that of an attempt that broke off, which is gone on with, or of its setup; null: there is
        /// none.</param>
        public Provisioning Rotate(SecureString password = null, byte[] record = null)
        {
            Provisioning attempt = null;
            Writing.Secret(password, delegate(byte[] secret)
            {
                ProvisionHandle prepared;
                IntPtr err;
                uint status = Native.amt_device_rotate(
                    handle, secret, secret.Length(), record, record.Length(), out prepared, out err);
                Failure.Check(status, err);
                attempt = new Provisioning(prepared);
            });
            return attempt;
        }

        /// <summary>Prepares giving the machine another certificate with a new key pair, the old one gone after a login under the new; nothing is
        /// sent before <see cref="Provisioning.Next"/> or <see cref="Provisioning.Run"/>. For <c>admin</c>, over TLS; this device is not needed any
        /// more. <see cref="Outcome.Result"/> has the SHA-256 of the certificate and until when it is good.</summary>
        /// <param name="atPercent">Only if this much of the life of the one that it serves is over; 0: at once.</param>
        /// <param name="authority">Files of a local authority, certificate and key; null: <see cref="ProvisioningHost.Certify"/> is
        /// asked.</param>
        /// <param name="record">That of a renewal that broke off, or waits for the authority; null: a new one. It is none for
        /// <see cref="Record.Parse"/>.</param>
        public Provisioning Renew(int atPercent = 0, AuthorityFiles authority = null, byte[] record = null)
        {
            if (atPercent < 0 || atPercent > 100)
            {
                throw new ArgumentOutOfRangeException("atPercent");
            }
            byte[] certificate = authority == null ? null : Writing.Text(authority.Certificate);
            byte[] key = authority == null ? null : Writing.Text(authority.Key);
            ProvisionHandle attempt;
            IntPtr err;
            uint status = Native.amt_device_renew(
                handle, (uint)atPercent, certificate, certificate.Length(), key, key.Length(), record, record.Length(),
                out attempt, out err);
            Failure.Check(status, err);
            return new Provisioning(attempt);
        }

        /// <summary>Prepares taking the setup of the machine back over the network; nothing is sent before <see cref="Provisioning.Next"/> or
        /// <see cref="Provisioning.Run"/>. For <c>admin</c>, over TLS; this device is not needed any more. <see cref="Outcome.Result"/> tells what
        /// was seen, and what is left in the machine.</summary>
        /// <param name="extent">How much is taken back.</param>
        /// <param name="record">As in <see cref="Rotate"/>.</param>
        /// <param name="dryRun">Find out what it would mean, and change nothing.</param>
        public Provisioning Unprovision(UnprovisionExtent extent, byte[] record = null, bool dryRun = false)
        {
            ProvisionHandle attempt;
            IntPtr err;
            uint status = Native.amt_device_unprovision(
                handle, (uint)extent, record, record.Length(), dryRun ? DryRun : 0, out attempt, out err);
            Failure.Check(status, err);
            return new Provisioning(attempt);
        }
    }
}
