using System;
using System.Collections.Generic;

namespace Amt
{
    /// <summary>How a machine wants to be provisioned.</summary>
    public enum HelloKind : uint
    {
        /// <summary>It waits for a TLS-PSK session: the hello names a PID.</summary>
        Psk = 2,

        /// <summary>It waits for a provisioning certificate: the hello lists root hashes.</summary>
        Pki = 3,
    }

    /// <summary>Hash of a root certificate that a machine trusts.</summary>
    public sealed class HelloRoot
    {
        internal HelloRoot(int algorithm, byte[] fingerprint)
        {
            Algorithm = algorithm;
            Fingerprint = fingerprint;
        }

        /// <summary>The algorithm's number as it travels: 1 SHA-1, 2 SHA-256, 3 SHA-384; others are possible.</summary>
        public int Algorithm { get; private set; }

        /// <summary>The hash.</summary>
        public byte[] Fingerprint { get; private set; }

        /// <summary>Algorithm and hash in hexadecimal digits.</summary>
        public override string ToString()
        {
            string[] names = { "", "SHA-1", "SHA-256", "SHA-384" };
            string name = Algorithm > 0 && Algorithm < names.Length ? names[Algorithm] : "algorithm " + Algorithm;
            return name + " " + BitConverter.ToString(Fingerprint).Replace("-", "").ToLowerInvariant();
        }
    }

    /// <summary>The message with which a machine in setup mode asks to be provisioned. It never changes; every thread may read it.</summary>
    public sealed class Hello : IDisposable
    {
        private readonly HelloHandle handle;

        internal Hello(HelloHandle handle)
        {
            this.handle = handle;
        }

        internal HelloHandle Handle
        {
            get { return handle; }
        }

        /// <summary>Decodes one whole hello.</summary>
        /// <exception cref="AmtException">It is cut short, invalid, of an unknown format or too large; the message names field and
        /// offset.</exception>
        public static Hello Parse(byte[] data)
        {
            if (data == null)
            {
                throw new ArgumentNullException("data");
            }
            Library.Check();
            HelloHandle handle;
            IntPtr err;
            Failure.Check(Native.amt_hello_parse(data, data.Length(), out handle, out err), err);
            return new Hello(handle);
        }

        /// <summary>How the machine wants to be provisioned.</summary>
        public HelloKind Kind
        {
            get { return (HelloKind)handle.Number(Native.amt_hello_kind); }
        }

        /// <summary>How often it said hello before in this round.</summary>
        public long Retry
        {
            get { return handle.Number(Native.amt_hello_retry); }
        }

        /// <summary>Whether the factory password of the administrator was changed already.</summary>
        public bool AdminCredentialsSet
        {
            get { return handle.Number(Native.amt_hello_admin_credentials_set) != 0; }
        }

        /// <summary>Bytes that followed the hello: harmless, but worth a warning.</summary>
        public int TrailingBytes
        {
            get { return handle.Size(Native.amt_hello_trailing); }
        }

        /// <summary>The machine's UUID.</summary>
        public Guid Uuid
        {
            get { return Guid.Parse(handle.Text(Native.amt_hello_uuid)); }
        }

        /// <summary>The eight bytes of the PID as they travelled; empty for a hello that lists root hashes.</summary>
        public byte[] Pid
        {
            get { return handle.Bytes(Native.amt_hello_pid); }
        }

        /// <summary>The root hashes, in the hello's order.</summary>
        public IReadOnlyList<HelloRoot> Roots
        {
            get
            {
                var roots = new HelloRoot[handle.Size(Native.amt_hello_root_count)];
                for (int index = 0; index < roots.Length; index++)
                {
                    uint algorithm = 0;
                    byte[] fingerprint = handle.Bytes(
                        delegate(HelloHandle hello, UIntPtr at, out IntPtr data, out UIntPtr len, out IntPtr err)
                        {
                            return Native.amt_hello_root(hello, at, out algorithm, out data, out len, out err);
                        },
                        index);
                    roots[index] = new HelloRoot((int)algorithm, fingerprint);
                }
                return roots;
            }
        }

        /// <summary>The hello as it travels, without trailing bytes.</summary>
        public byte[] ToArray()
        {
            return handle.Bytes(Native.amt_hello_encode);
        }

        /// <summary>Frees it. Jobs and findings that it was given to do not need it any more.</summary>
        public void Dispose()
        {
            handle.Dispose();
        }
    }
}
