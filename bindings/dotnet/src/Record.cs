using System;
using System.Collections.Generic;
using System.Security;

namespace Amt
{
    /// <summary>A journal record: what must not be lost about a machine. It holds passwords, so dispose of it soon. It never changes; every
    /// thread may read it.</summary>
    public sealed class Record : IDisposable
    {
        private readonly RecordHandle handle;

        private Record(RecordHandle handle)
        {
            this.handle = handle;
        }

        /// <summary>Reads a record that was stored. The array is not kept.</summary>
        /// <exception cref="AmtException"><see cref="AmtCode.Journal"/>: it is damaged or of a newer version.</exception>
        public static Record Parse(byte[] data)
        {
            if (data == null)
            {
                throw new ArgumentNullException("data");
            }
            Library.Check();
            RecordHandle handle;
            IntPtr err;
            Failure.Check(Native.amt_record_parse(data, data.Length(), out handle, out err), err);
            return new Record(handle);
        }

        /// <summary>The machine's UUID.</summary>
        public Guid Uuid
        {
            get { return Guid.Parse(handle.Text(Native.amt_record_uuid)); }
        }

        /// <summary>The passwords of <c>admin</c>, likeliest first. More than one as long as it is not proven which of them the machine
        /// took.</summary>
        public IReadOnlyList<SecureString> AdminPasswords
        {
            get { return Secrets(Native.amt_record_admin_password_count, Native.amt_record_admin_password); }
        }

        /// <summary>The passwords of the setup menu (MEBx), likeliest first.</summary>
        public IReadOnlyList<SecureString> MebxPasswords
        {
            get { return Secrets(Native.amt_record_mebx_password_count, Native.amt_record_mebx_password); }
        }

        /// <summary>The certificate (DER) of the machine's TLS server, to be pinned when connecting; empty as long as there is none.</summary>
        public byte[] Certificate
        {
            get { return handle.Bytes(Native.amt_record_certificate); }
        }

        /// <summary>Whether the machine has proven that it is provisioned.</summary>
        public bool Verified
        {
            get { return handle.Number(Native.amt_record_verified) != 0; }
        }

        /// <summary>Frees it and zeroes its secrets.</summary>
        public void Dispose()
        {
            handle.Dispose();
        }

        private IReadOnlyList<SecureString> Secrets(SizeOf<RecordHandle> count, ItemOf<RecordHandle> item)
        {
            var secrets = new SecureString[handle.Size(count)];
            for (int index = 0; index < secrets.Length; index++)
            {
                secrets[index] = handle.Secret(item, index);
            }
            return secrets;
        }
    }
}
