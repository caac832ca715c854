using System;
using System.Net;
using System.Security;

namespace Amt
{
    /// <summary>Whether TLS before 1.2, or without forward secrecy, may be used.</summary>
    public enum LegacyTls : uint
    {
        /// <summary>Never.</summary>
        Refuse = 0,

        /// <summary>Where a machine speaks nothing else (AMT before 14, pre-shared pairs); needs a build with the legacy engine.</summary>
        Allow = 1,

        /// <summary>RC4 and 3DES too, if the build has them.</summary>
        AllowWeak = 2,
    }

    /// <summary>A machine to be provisioned, and how. One call at a time; it may be used for several attempts. Certificates, hellos and
    /// arrays that it was given are not kept.</summary>
    public sealed class Job : IDisposable
    {
        private delegate uint Setter(JobHandle job, byte[] data, UIntPtr len, out IntPtr err);

        private readonly JobHandle handle;

        /// <summary>A job for the machine with this UUID at this address. Until told otherwise its passwords are generated, its names left
        /// alone, and the caller stores the journal and has the certificate issued.</summary>
        public Job(Guid uuid, IPAddress address)
        {
            if (address == null)
            {
                throw new ArgumentNullException("address");
            }
            Library.Check();
            byte[] uuidBytes = Writing.Text(uuid.ToString("D")), addressBytes = Writing.Text(address.ToString());
            IntPtr err;
            uint status = Native.amt_job_new(
                uuidBytes, uuidBytes.Length(), addressBytes, addressBytes.Length(), out handle, out err);
            Failure.Check(status, err);
        }

        internal Job(JobHandle handle)
        {
            this.handle = handle;
        }

        internal JobHandle Handle
        {
            get { return handle; }
        }

        /// <summary>Another TLS port than 16993.</summary>
        public void SetPort(int port)
        {
            if (port < 1 || port > 65535)
            {
                throw new ArgumentOutOfRangeException("port");
            }
            IntPtr err;
            Failure.Check(Native.amt_job_set_port(handle, (ushort)port, out err), err);
        }

        /// <summary>The hello that the machine sent: its root hashes choose among certificates.</summary>
        public void SetHello(Hello hello)
        {
            if (hello == null)
            {
                throw new ArgumentNullException("hello");
            }
            IntPtr err;
            Failure.Check(Native.amt_job_set_hello(handle, hello.Handle, out err), err);
        }

        /// <summary>Adds a provisioning certificate that may be presented.</summary>
        /// <exception cref="AmtException"><see cref="AmtCode.PfxOpen"/>: it does not hold exactly one private key that belongs to its
        /// leaf.</exception>
        public void AddCertificate(Certificate certificate)
        {
            if (certificate == null)
            {
                throw new ArgumentNullException("certificate");
            }
            IntPtr err;
            Failure.Check(Native.amt_job_add_certificate(handle, certificate.Handle, out err), err);
        }

        /// <summary>Adds a provisioning certificate for whose key the host signs, <see cref="ProvisioningHost.Sign"/>. A key that it may have
        /// is not used. Over the network it is for machines from AMT 14 on, and may stand beside those of
        /// <see cref="AddCertificate"/>; <see cref="LocalMachine.Activate"/> takes the one kind or the other.</summary>
        public void AddChain(Certificate certificate)
        {
            if (certificate == null)
            {
                throw new ArgumentNullException("certificate");
            }
            IntPtr err;
            Failure.Check(Native.amt_job_add_chain(handle, certificate.Handle, out err), err);
        }

        /// <summary>The certificate to show to a machine that turns out to be set up already, and has mutual TLS, its issuers and its key with it.
        /// A setup that is gone on with is proven then, another told as <see cref="AmtCode.AlreadyProvisioned"/>; without it such a machine
        /// ends the attempt with <see cref="AmtCode.TlsChainRefused"/>. Over the network alone.</summary>
        /// <exception cref="AmtException"><see cref="AmtCode.PfxOpen"/>: it does not hold exactly one private key that belongs to its
        /// leaf.</exception>
        public void SetClientCertificate(Certificate certificate)
        {
            if (certificate == null)
            {
                throw new ArgumentNullException("certificate");
            }
            IntPtr err;
            Failure.Check(Native.amt_job_set_client_certificate(handle, certificate.Handle, out err), err);
        }

        /// <summary>The DNS suffix of the machine's network: chooses among certificates.</summary>
        public void SetSuffix(string suffix)
        {
            Set(Native.amt_job_set_suffix, Writing.Required(suffix, "suffix"));
        }

        /// <summary>The host name to set. The machine's certificate is made for it.</summary>
        public void SetHostName(string hostName)
        {
            Set(Native.amt_job_set_host_name, Writing.Required(hostName, "hostName"));
        }

        /// <summary>The domain name to set.</summary>
        public void SetDomainName(string domainName)
        {
            Set(Native.amt_job_set_domain_name, Writing.Required(domainName, "domainName"));
        }

        /// <summary>The password that the administrator <c>admin</c> gets; empty: one is generated.</summary>
        public void SetAdminPassword(SecureString password)
        {
            SetSecret(Native.amt_job_set_admin_password, password, "password");
        }

        /// <summary>The password that the setup menu (MEBx) gets; empty: one is generated.</summary>
        public void SetMebxPassword(SecureString password)
        {
            SetSecret(Native.amt_job_set_mebx_password, password, "password");
        }

        /// <summary>Adds a password to try on a machine that says its credentials are already set.</summary>
        public void AddKnownPassword(SecureString password)
        {
            SetSecret(Native.amt_job_add_known_password, password, "password");
        }

        /// <summary>The one-time password that the machine must hold; empty: none is demanded.</summary>
        public void SetOneTimePassword(SecureString password)
        {
            SetSecret(Native.amt_job_set_otp, password, "password");
        }

        /// <summary>Adds a pre-shared pair that the machine may hold, as firmware of AMT 2 to 10 waits for, with or without dashes.</summary>
        /// <exception cref="AmtException"><see cref="AmtCode.PskInvalid"/> names what no firmware accepts.</exception>
        public void AddPsk(string pid, SecureString pps)
        {
            if (pps == null)
            {
                throw new ArgumentNullException("pps");
            }
            byte[] pidBytes = Writing.Required(pid, "pid");
            Writing.Secret(pps, delegate(byte[] secret)
            {
                IntPtr err;
                Failure.Check(
                    Native.amt_job_add_psk(handle, pidBytes, pidBytes.Length(), secret, secret.Length(), out err), err);
            });
        }

        /// <summary>Whether old TLS may be used. Until told otherwise it is refused.</summary>
        public void SetLegacyTls(LegacyTls consent)
        {
            IntPtr err;
            Failure.Check(Native.amt_job_set_legacy_tls(handle, (uint)consent, out err), err);
        }

        /// <summary>Has the machine's certificate signed by a local authority: paths of its certificate and of its key (PEM), both made on
        /// first use. Nobody is asked to certify then.</summary>
        public void SetAuthorityFiles(string certificate, string key)
        {
            byte[] certificatePath = Writing.Required(certificate, "certificate"), keyPath = Writing.Required(key, "key");
            IntPtr err;
            uint status = Native.amt_job_set_authority_files(
                handle, certificatePath, certificatePath.Length(), keyPath, keyPath.Length(), out err);
            Failure.Check(status, err);
        }

        /// <summary>Keeps the journal in a SQLite file: paths of the database and of the key that seals its secrets, both made on first use.
        /// An earlier attempt in it is gone on with. Nobody is asked to store records then.</summary>
        public void SetJournalFile(string database, string key)
        {
            byte[] databasePath = Writing.Required(database, "database"), keyPath = Writing.Required(key, "key");
            IntPtr err;
            uint status = Native.amt_job_set_journal_file(
                handle, databasePath, databasePath.Length(), keyPath, keyPath.Length(), out err);
            Failure.Check(status, err);
        }

        /// <summary>Goes on from a record that the caller stored in an earlier attempt.</summary>
        public void SetRecord(byte[] record)
        {
            if (record == null)
            {
                throw new ArgumentNullException("record");
            }
            Set(Native.amt_job_set_record, record);
        }

        /// <summary>Prepares an attempt. Opens the journal file and the authority's files if the job names them; nothing is sent to the machine
        /// before its first <see cref="Provisioning.Next"/>.</summary>
        public Provisioning Start()
        {
            ProvisionHandle provision;
            IntPtr err;
            Failure.Check(Native.amt_provision_new(handle, out provision, out err), err);
            return new Provisioning(provision);
        }

        /// <summary>Frees it. Attempts that it started do not need it any more.</summary>
        public void Dispose()
        {
            handle.Dispose();
        }

        private void Set(Setter setter, byte[] data)
        {
            IntPtr err;
            Failure.Check(setter(handle, data, data.Length(), out err), err);
        }

        private void SetSecret(Setter setter, SecureString secret, string parameter)
        {
            if (secret == null)
            {
                throw new ArgumentNullException(parameter);
            }
            Writing.Secret(secret, delegate(byte[] bytes) { Set(setter, bytes); });
        }
    }
}
