using System;
using System.Collections.Generic;

namespace Amt
{
    /// <summary>What an attempt tells or asks. A later library may send kinds that are not named here: pass over those below 100.</summary>
    public enum ProvisioningEventKind : uint
    {
        /// <summary>A step begins; the text is its name.</summary>
        Step = 1,

        /// <summary>A TLS connection stands; the text has version and suite.</summary>
        Connected = 2,

        /// <summary>The firmware refused a provisioning certificate; the next one is tried.</summary>
        CertificateRefused = 3,

        /// <summary>The firmware version is known; it is the text.</summary>
        Firmware = 4,

        /// <summary>Something that an administrator should be able to read.</summary>
        Note = 5,

        /// <summary>Make the record durable, then call <see cref="Provisioning.Persisted"/>.</summary>
        Persist = 100,

        /// <summary>Have a certificate issued, then call <see cref="Provisioning.Issued"/>, <see cref="Provisioning.Pending"/> or
        /// <see cref="Provisioning.Denied"/>.</summary>
        Certify = 101,

        /// <summary>Have something signed, then call <see cref="Provisioning.Signed"/> or <see cref="Provisioning.SignFailed"/>.</summary>
        Sign = 102,

        /// <summary>The machine is provisioned and has proven it. The last event.</summary>
        Done = 200,
    }

    /// <summary>An event of an attempt. It never changes; every thread may read it. What belongs to another kind fails with
    /// <see cref="AmtCode.InvalidArgument"/>.</summary>
    public sealed class ProvisioningEvent : IDisposable
    {
        private readonly EventHandle handle;

        internal ProvisioningEvent(EventHandle handle)
        {
            this.handle = handle;
        }

        /// <summary>What it tells or asks.</summary>
        public ProvisioningEventKind Kind
        {
            get { return (ProvisioningEventKind)handle.Number(Native.amt_event_kind); }
        }

        /// <summary>What it is about, for a log; never a secret.</summary>
        public string Text
        {
            get { return handle.Text(Native.amt_event_text); }
        }

        /// <summary>Of <see cref="ProvisioningEventKind.Persist"/>: the record, to be stored sealed, for it holds the machine's passwords in
        /// clear. It replaces the one before. The copy is the caller's to zero; <see cref="Record.Parse"/> reads it.</summary>
        public byte[] GetRecord()
        {
            return handle.Bytes(Native.amt_event_record);
        }

        /// <summary>Of <see cref="ProvisioningEventKind.Certify"/>: what is to be certified.</summary>
        public CertificateRequest GetRequest()
        {
            var names = new string[handle.Size(Native.amt_event_dns_name_count)];
            for (int index = 0; index < names.Length; index++)
            {
                names[index] = handle.Text(Native.amt_event_dns_name, index);
            }
            return new CertificateRequest(
                handle.Bytes(Native.amt_event_csr), handle.Text(Native.amt_event_common_name), names,
                handle.Text(Native.amt_event_request_id));
        }

        /// <summary>Of <see cref="ProvisioningEventKind.Sign"/>: what is to be signed.</summary>
        public SigningRequest GetSigning()
        {
            UIntPtr certificate = UIntPtr.Zero;
            byte[] data = handle.Bytes(delegate(EventHandle held, out IntPtr bytes, out UIntPtr len, out IntPtr err)
            {
                return Native.amt_event_sign_data(held, out certificate, out bytes, out len, out err);
            });
            return new SigningRequest(checked((int)certificate.ToUInt64()), data);
        }

        /// <summary>Of <see cref="ProvisioningEventKind.Done"/>: what became of the machine.</summary>
        public Outcome GetOutcome()
        {
            return new Outcome(
                handle.Text(Native.amt_event_control_mode), handle.Text(Native.amt_event_tls_version),
                handle.Text(Native.amt_event_tls_suite), handle.Text(Native.amt_event_firmware),
                handle.Text(Native.amt_event_result));
        }

        /// <summary>Kind and text.</summary>
        public override string ToString()
        {
            return Kind + " " + Text;
        }

        /// <summary>Frees it and zeroes its secrets.</summary>
        public void Dispose()
        {
            handle.Dispose();
        }
    }

    /// <summary>A certificate that a machine needs.</summary>
    public sealed class CertificateRequest
    {
        internal CertificateRequest(byte[] csr, string commonName, IReadOnlyList<string> dnsNames, string requestId)
        {
            Csr = csr;
            CommonName = commonName;
            DnsNames = dnsNames;
            RequestId = requestId;
        }

        /// <summary>The PKCS#10 request (DER), signed inside the machine.</summary>
        public byte[] Csr { get; private set; }

        /// <summary>The subject common name that the certificate shall carry.</summary>
        public string CommonName { get; private set; }

        /// <summary>The DNS names that it shall carry.</summary>
        public IReadOnlyList<string> DnsNames { get; private set; }

        /// <summary>The authority's name of the pending request that is asked about; empty if it is a new one.</summary>
        public string RequestId { get; private set; }
    }

    /// <summary>What a provisioning certificate's key has to sign: RSA, PKCS#1 v1.5, over the SHA-256 of the data.</summary>
    public sealed class SigningRequest
    {
        internal SigningRequest(int certificate, byte[] data)
        {
            Certificate = certificate;
            Data = data;
        }

        /// <summary>The number of the certificate, from 0, in the order of <see cref="Job.AddChain"/> or <see cref="SetupServer.AddChain"/>.</summary>
        public int Certificate { get; private set; }

        /// <summary>The bytes.</summary>
        public byte[] Data { get; private set; }
    }

    /// <summary>What an authority answers.</summary>
    public sealed class CertificateReply
    {
        private readonly byte[] certificates;
        private readonly string text;
        private readonly TimeSpan retryAfter;
        private readonly bool denied;

        private CertificateReply(byte[] certificates, string text, TimeSpan retryAfter, bool denied)
        {
            this.certificates = certificates;
            this.text = text;
            this.retryAfter = retryAfter;
            this.denied = denied;
        }

        /// <summary>Certificates in PEM, the machine's own first, then its issuers up to the root; the machine's alone may be DER.</summary>
        public static CertificateReply Issued(byte[] certificates)
        {
            if (certificates == null)
            {
                throw new ArgumentNullException("certificates");
            }
            return new CertificateReply(certificates, null, TimeSpan.Zero, false);
        }

        /// <summary>The authority has not decided; it knows the request by this name.</summary>
        public static CertificateReply Pending(string requestId, TimeSpan retryAfter)
        {
            return new CertificateReply(null, requestId, retryAfter, false);
        }

        /// <summary>The authority refused, for this reason.</summary>
        public static CertificateReply Denied(string reason)
        {
            return new CertificateReply(null, reason, TimeSpan.Zero, true);
        }

        internal void Give(Provisioning provisioning)
        {
            if (certificates != null)
            {
                provisioning.Issued(certificates);
            }
            else if (denied)
            {
                provisioning.Denied(text);
            }
            else
            {
                provisioning.Pending(text, retryAfter);
            }
        }
    }

    /// <summary>How an attempt on a machine ended.</summary>
    public sealed class Outcome
    {
        internal Outcome(string controlMode, string tlsVersion, string tlsSuite, string firmware, string result)
        {
            ControlMode = controlMode;
            TlsVersion = tlsVersion;
            TlsSuite = tlsSuite;
            Firmware = firmware;
            Result = result;
        }

        /// <summary><c>admin</c>, <c>client</c> or, after its setup was taken back, <c>none</c>: how the machine says it is controlled;
        /// empty where that was not asked.</summary>
        public string ControlMode { get; private set; }

        /// <summary>TLS version of the connection on which it took its new password.</summary>
        public string TlsVersion { get; private set; }

        /// <summary>Cipher suite of that connection, by its IANA name.</summary>
        public string TlsSuite { get; private set; }

        /// <summary>Its firmware version; empty if it did not tell.</summary>
        public string Firmware { get; private set; }

        /// <summary>Of <see cref="Device.Configure"/>, <see cref="Device.Rotate"/> and <see cref="Device.Unprovision"/>: the document of the
        /// command line's <c>--json</c>; else empty.</summary>
        public string Result { get; private set; }
    }
}
