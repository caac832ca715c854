using System;
using System.Collections.Generic;
using System.Security;

namespace Amt
{
    /// <summary>A provisioning certificate with its chain and key. It never changes; every thread may use it.</summary>
    public sealed class Certificate : IDisposable
    {
        private const uint NoSuffix = 1;
        private const uint Wireless = 2;

        private readonly CertificateHandle handle;

        private Certificate(CertificateHandle handle)
        {
            this.handle = handle;
        }

        internal CertificateHandle Handle
        {
            get { return handle; }
        }

        /// <summary>Reads a PFX (PKCS#12) file. Nothing passed in is kept.</summary>
        /// <exception cref="AmtException"><see cref="AmtCode.PfxOpen"/>: the password is wrong;
        /// <see cref="AmtCode.CertificateParse"/>: this is no PFX.</exception>
        public static Certificate FromPfx(byte[] data, SecureString password)
        {
            Certificate certificate = null;
            Writing.Secret(password, delegate(byte[] bytes) { certificate = Pfx(data, bytes); });
            return certificate;
        }

        /// <summary>The same with a password that is no secret.</summary>
        public static Certificate FromPfx(byte[] data, string password)
        {
            Certificate certificate = null;
            Writing.Secret(password, delegate(byte[] bytes) { certificate = Pfx(data, bytes); });
            return certificate;
        }

        /// <summary>Reads PEM text with certificates and perhaps the key. The key may come in a file of its own, as PEM or as PKCS#8 DER
        /// (else null); the password opens an encrypted key (else null). Nothing passed in is kept.</summary>
        /// <exception cref="AmtException"><see cref="AmtCode.CertificateParse"/>: something cannot be read;
        /// <see cref="AmtCode.PfxOpen"/>: an encrypted key does not open.</exception>
        public static Certificate FromPem(byte[] data, byte[] key = null, SecureString password = null)
        {
            if (data == null)
            {
                throw new ArgumentNullException("data");
            }
            Library.Check();
            CertificateHandle handle = null;
            Writing.Secret(password, delegate(byte[] secret)
            {
                IntPtr err;
                uint status = Native.amt_certificate_parse_pem(
                    data, data.Length(), key, key.Length(), secret, secret.Length(), out handle, out err);
                Failure.Check(status, err);
            });
            return new Certificate(handle);
        }

        /// <summary>Every reason why this certificate would not provision a machine, most basic first. What is not known of the machine
        /// is left out and not checked.</summary>
        /// <param name="hello">The machine's hello.</param>
        /// <param name="suffix">The DNS suffix of its network.</param>
        /// <param name="firmware">Its firmware version, for example <c>16.1.25</c>.</param>
        /// <param name="noSuffix">Its network has no DNS suffix, neither from DHCP nor set in the firmware.</param>
        /// <param name="wireless">The address at hand belongs to its wireless adapter.</param>
        public IReadOnlyList<Finding> Preflight(
            Hello hello = null, string suffix = null, string firmware = null, bool noSuffix = false, bool wireless = false)
        {
            byte[] suffixBytes = Writing.Text(suffix), firmwareBytes = Writing.Text(firmware);
            uint flags = (noSuffix ? NoSuffix : 0) | (wireless ? Wireless : 0);
            FindingsHandle findings;
            IntPtr err;
            uint status = Native.amt_certificate_preflight(
                handle, hello == null ? HelloHandle.Null : hello.Handle, suffixBytes, suffixBytes.Length(), firmwareBytes,
                firmwareBytes.Length(), flags, out findings, out err);
            Failure.Check(status, err);
            using (findings)
            {
                return Finding.All(findings);
            }
        }

        /// <summary>Frees it. Jobs that it was added to do not need it any more.</summary>
        public void Dispose()
        {
            handle.Dispose();
        }

        private static Certificate Pfx(byte[] data, byte[] password)
        {
            if (data == null)
            {
                throw new ArgumentNullException("data");
            }
            Library.Check();
            CertificateHandle handle;
            IntPtr err;
            Failure.Check(
                Native.amt_certificate_parse_pfx(data, data.Length(), password, password.Length(), out handle, out err), err);
            return new Certificate(handle);
        }
    }
}
