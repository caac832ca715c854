using System;
using System.Security;

namespace Amt
{
    /// <summary>How strictly a pair is read.</summary>
    public enum PskForm : uint
    {
        /// <summary>Exactly as firmware stores it: 8 and 32 upper-case letters and digits.</summary>
        Strict = 0,

        /// <summary>As people type it: with dashes and in lower case too.</summary>
        Typed = 1,
    }

    /// <summary>A pre-shared pair of PID and PPS, with which machines of AMT 2 to 10 are provisioned. It never changes; every thread may
    /// read it.</summary>
    public sealed class Psk : IDisposable
    {
        private readonly PskHandle handle;

        private Psk(PskHandle handle)
        {
            this.handle = handle;
        }

        /// <summary>Makes a new pair out of the system's randomness.</summary>
        /// <param name="pid">Its name; null: one is made too.</param>
        public static Psk Generate(string pid = null)
        {
            Library.Check();
            byte[] bytes = Writing.Text(pid);
            PskHandle handle;
            IntPtr err;
            Failure.Check(Native.amt_psk_generate(bytes, bytes.Length(), out handle, out err), err);
            return new Psk(handle);
        }

        /// <summary>Checks a pair as firmware does.</summary>
        /// <exception cref="AmtException"><see cref="AmtCode.PskInvalid"/>: the message names the length, the character or the group that
        /// is wrong, never the PPS.</exception>
        public static Psk Parse(string pid, SecureString pps, PskForm form = PskForm.Typed)
        {
            if (pps == null)
            {
                throw new ArgumentNullException("pps");
            }
            byte[] bytes = Writing.Required(pid, "pid");
            Library.Check();
            PskHandle handle = null;
            Writing.Secret(pps, delegate(byte[] secret)
            {
                IntPtr err;
                uint status = Native.amt_psk_parse(
                    bytes, bytes.Length(), secret, secret.Length(), (uint)form, out handle, out err);
                Failure.Check(status, err);
            });
            return new Psk(handle);
        }

        /// <summary>The PID: 8 characters.</summary>
        public string Pid
        {
            get
            {
                return handle.Text(
                    delegate(PskHandle psk, out IntPtr data, out UIntPtr len, out IntPtr err)
                    {
                        return Native.amt_psk_pid(psk, 0, out data, out len, out err);
                    });
            }
        }

        /// <summary>The PPS, a secret: 32 characters, or eight groups with dashes between, as people type it.</summary>
        public SecureString GetPps(bool dashed = false)
        {
            return handle.Secret(
                delegate(PskHandle psk, out IntPtr data, out UIntPtr len, out IntPtr err)
                {
                    return Native.amt_psk_pps(psk, dashed ? 1u : 0u, out data, out len, out err);
                });
        }

        /// <summary>The PID alone.</summary>
        public override string ToString()
        {
            return "PID " + Pid;
        }

        /// <summary>Frees it and zeroes its PPS.</summary>
        public void Dispose()
        {
            handle.Dispose();
        }
    }
}
