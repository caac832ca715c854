using System;
using System.Net;
using System.Threading;
using System.Threading.Tasks;

namespace Amt
{
    /// <summary>The way to the firmware's network services.</summary>
    public enum LocalRoute : uint
    {
        /// <summary>By the local management service (LMS) if it answers, else directly.</summary>
        Auto = 0,

        /// <summary>By LMS only.</summary>
        Lms = 1,

        /// <summary>Directly only, by the firmware's client LME.</summary>
        Lme = 2,
    }

    /// <summary>What a machine is taken to.</summary>
    public enum ControlMode : uint
    {
        /// <summary>Client control mode: remote control asks the user for consent.</summary>
        Client = 1,

        /// <summary>Admin control mode: needs a provisioning certificate whose root the firmware trusts.</summary>
        Admin = 2,
    }

    /// <summary>How much of a setup is taken back.</summary>
    public enum UnprovisionExtent : uint
    {
        /// <summary>Everything: the machine is as from the factory, but for the setup menu's password and root hashes.</summary>
        Full = 0,

        /// <summary>Names, the administrator's login and the setup server's address stay. From admin control mode only.</summary>
        Partial = 1,
    }

    /// <summary>The firmware of the machine that this program runs on; needs root, Administrator or SYSTEM. One call at a time, except
    /// <see cref="Cancel"/>, which every thread may call at any time; a second call fails with <see cref="AmtCode.Busy"/>.</summary>
    public sealed class LocalMachine : IDisposable
    {
        private const uint Enable = 1;
        private const uint Secure = 2;

        private readonly LocalHandle handle;

        /// <summary>The way to the firmware. Nothing is opened before the first call.</summary>
        public LocalMachine()
        {
            Library.Check();
            IntPtr err;
            Failure.Check(Native.amt_local_new(out handle, out err), err);
        }

        /// <summary>Another device file of the management engine interface than the system's own; Linux only. Empty: the system's own.</summary>
        public void SetDevice(string path)
        {
            byte[] bytes = Writing.Required(path, "path");
            IntPtr err;
            Failure.Check(Native.amt_local_set_device(handle, bytes, bytes.Length(), out err), err);
        }

        /// <summary>The way to the firmware's network services.</summary>
        /// <param name="route">The way.</param>
        /// <param name="lms">The address of the local management service; null: 127.0.0.1.</param>
        public void SetRoute(LocalRoute route, IPAddress lms = null)
        {
            byte[] bytes = lms == null ? null : Writing.Text(lms.ToString());
            IntPtr err;
            Failure.Check(Native.amt_local_set_route(handle, (uint)route, bytes, bytes.Length(), out err), err);
        }

        /// <summary>Accepts only the certificate with this SHA-256 (32 bytes) on the firmware's local TLS port. Without this any is accepted
        /// there.</summary>
        public void TrustPin(byte[] sha256)
        {
            if (sha256 == null)
            {
                throw new ArgumentNullException("sha256");
            }
            IntPtr err;
            Failure.Check(Native.amt_local_trust_pin(handle, sha256, sha256.Length(), out err), err);
        }

        /// <summary>What the firmware says of itself, what answers in place of the local management service, and what would stop provisioning
        /// (<c>findings</c>), as JSON: what <c>amt info --json</c> shows. Changes nothing.</summary>
        public string Status()
        {
            DocumentHandle document;
            IntPtr err;
            Failure.Check(Native.amt_local_status(handle, out document, out err), err);
            return document.Json();
        }

        /// <summary><see cref="Status"/> on a thread of the pool. Cancelling the token while the call runs ends it as <see cref="Cancel"/> does,
        /// and every later one.</summary>
        public Task<string> StatusAsync(CancellationToken cancellation = default(CancellationToken))
        {
            return Task.Run(delegate { return Cancelling.Run<string>(Cancel, cancellation, Status); }, cancellation);
        }

        /// <summary>Asks the firmware for its UUID and makes a job for this machine, for <see cref="Activate"/> and <see cref="Unprovision"/>.
        /// Passwords, names, certificates and journal are set as for any job; the host name is the system's own until then.</summary>
        public Job CreateJob()
        {
            JobHandle job;
            IntPtr err;
            Failure.Check(Native.amt_local_job(handle, out job, out err), err);
            return new Job(job);
        }

        /// <summary>Prepares taking this machine to a control mode without any server; nothing is changed before <see cref="Provisioning.Next"/> or
        /// <see cref="Provisioning.Run"/>. Unless the job names a journal file the record has to be stored, and the firmware gets the password
        /// only then. No certificate has to be issued. Neither this nor the job is needed any more.</summary>
        /// <param name="job">What <see cref="CreateJob"/> gave.</param>
        /// <param name="mode">What it is taken to.</param>
        /// <param name="enable">Switch AMT on where it is off.</param>
        /// <param name="secure">Set up over TLS also where the firmware does not demand it (AMT 14 and later, admin control mode).</param>
        public Provisioning Activate(Job job, ControlMode mode, bool enable = false, bool secure = false)
        {
            if (job == null)
            {
                throw new ArgumentNullException("job");
            }
            uint options = (enable ? Enable : 0) | (secure ? Secure : 0);
            ProvisionHandle attempt;
            IntPtr err;
            Failure.Check(Native.amt_local_activate(handle, job.Handle, (uint)mode, options, out attempt, out err), err);
            return new Provisioning(attempt);
        }

        /// <summary>Prepares taking the setup of this machine back; nothing is changed before <see cref="Provisioning.Next"/> or
        /// <see cref="Provisioning.Run"/>. Admin control mode needs the administrator's password: in the job's record or journal file, or added
        /// as a known password. Neither this nor the job is needed any more.</summary>
        public Provisioning Unprovision(Job job, UnprovisionExtent extent = UnprovisionExtent.Full)
        {
            if (job == null)
            {
                throw new ArgumentNullException("job");
            }
            ProvisionHandle attempt;
            IntPtr err;
            Failure.Check(Native.amt_local_unprovision(handle, job.Handle, (uint)extent, out attempt, out err), err);
            return new Provisioning(attempt);
        }

        /// <summary>Ends the call that is under way in another thread, and every later one, with <see cref="AmtCode.Cancelled"/>. Attempts have
        /// <see cref="Provisioning.Cancel"/>.</summary>
        public void Cancel()
        {
            IntPtr err;
            Failure.Check(Native.amt_local_cancel(handle, out err), err);
        }

        /// <summary>Frees it, once no call is inside any more.</summary>
        public void Dispose()
        {
            handle.Dispose();
        }
    }
}
