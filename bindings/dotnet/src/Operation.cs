using System;
using System.Collections.Generic;

namespace Amt
{
    /// <summary>What a computer can be told to do, by CIM's numbers.</summary>
    public enum PowerAction : uint
    {
        /// <summary>Start, or wake up.</summary>
        On = 2,

        /// <summary>Sleep with memory powered (S3); carried out by the operating system.</summary>
        Sleep = 4,

        /// <summary>Off at once and on again.</summary>
        Cycle = 5,

        /// <summary>Sleep with memory on disk (S4); carried out by the operating system.</summary>
        Hibernate = 7,

        /// <summary>Off at once: what was not saved is lost.</summary>
        Off = 8,

        /// <summary>Reset at once.</summary>
        Reset = 10,

        /// <summary>A non-maskable interrupt: most operating systems stop and write a dump.</summary>
        Nmi = 11,

        /// <summary>Shut down by the operating system; an agent there (LMS) has to carry it out.</summary>
        SoftOff = 12,

        /// <summary>Restart by the operating system; an agent there (LMS) has to carry it out.</summary>
        SoftReset = 14,
    }

    /// <summary>What is booted next.</summary>
    public enum BootSource : uint
    {
        /// <summary>The network (PXE).</summary>
        Pxe = 1,

        /// <summary>The hard disk.</summary>
        Disk = 2,

        /// <summary>The optical disc.</summary>
        Cd = 3,

        /// <summary>The setup of the BIOS.</summary>
        Bios = 4,

        /// <summary>An <c>https</c> URL: AMT 16 and later, where the BIOS can.</summary>
        Https = 5,
    }

    /// <summary>What happens once the next boot is set.</summary>
    public enum BootThen : uint
    {
        /// <summary>A computer that runs or sleeps is reset, one that is off is switched on.</summary>
        Start = 0,

        /// <summary>Nothing: the boot counts whenever the computer starts next.</summary>
        Nothing = 1,

        /// <summary>It is switched on.</summary>
        On = 2,

        /// <summary>It is switched off and on again.</summary>
        Cycle = 5,

        /// <summary>It is reset.</summary>
        Reset = 10,
    }

    // Power, next boot, logs, inventory, sessions, trusted authorities, clock. Documents are those of the command line's --json.
    public sealed partial class Device
    {
        /// <summary>How the computer stands (<c>state</c>) and what can be done with it now (<c>available</c>), as JSON.</summary>
        public string GetPower()
        {
            return Reply(delegate(out DocumentHandle reply, out IntPtr err)
            {
                return Native.amt_device_power(handle, out reply, out err);
            });
        }

        /// <summary>Has the computer do something, once. The reply is JSON with <c>action</c>, <c>before</c> and <c>answer</c>: <c>accepted</c>, or
        /// <c>lost</c> where the firmware's answer was lost and the state shows that it was done.</summary>
        /// <exception cref="AmtException"><see cref="AmtCode.WrongState"/>: it is not possible now, and was not sent.</exception>
        public string Power(PowerAction action)
        {
            return Reply(delegate(out DocumentHandle reply, out IntPtr err)
            {
                return Native.amt_device_power_action(handle, (uint)action, out reply, out err);
            });
        }

        /// <summary>Sets the next boot, for once, and starts the computer; a step that is refused takes back what was set. The reply is JSON with
        /// <c>next</c>, <c>url</c>, <c>sol</c> and <c>power</c>, as <see cref="Power"/> tells it, or null.</summary>
        /// <param name="source">What to boot.</param>
        /// <param name="then">How the computer is started.</param>
        /// <param name="url">Goes with <see cref="BootSource.Https"/>.</param>
        /// <param name="sol">Send the console over the network during it (serial over LAN).</param>
        public string Boot(BootSource source, BootThen then = BootThen.Start, string url = null, bool sol = false)
        {
            byte[] bytes = Writing.Text(url);
            return Reply(delegate(out DocumentHandle reply, out IntPtr err)
            {
                return Native.amt_device_boot(
                    handle, (uint)source, bytes, bytes.Length(), sol ? 1u : 0u, (uint)then, out reply, out err);
            });
        }

        /// <summary>How the next boot is set, and what is <c>possible</c>, as JSON.</summary>
        public string GetBoot()
        {
            return Reply(delegate(out DocumentHandle reply, out IntPtr err)
            {
                return Native.amt_device_boot_state(handle, out reply, out err);
            });
        }

        /// <summary>Takes back what <see cref="Boot"/> set.</summary>
        public void ClearBoot()
        {
            IntPtr err;
            Failure.Check(Native.amt_device_clear_boot(handle, out err), err);
        }

        /// <summary>What sensors, BIOS and firmware report, the newest first (<c>records</c>), as JSON.</summary>
        public string GetEventLog()
        {
            return Reply(delegate(out DocumentHandle reply, out IntPtr err)
            {
                return Native.amt_device_event_log(handle, out reply, out err);
            });
        }

        /// <summary>Removes all events.</summary>
        /// <exception cref="AmtException"><see cref="AmtCode.ReturnValue"/>: the log is frozen.</exception>
        public void ClearEventLog()
        {
            IntPtr err;
            Failure.Check(Native.amt_device_clear_event_log(handle, out err), err);
        }

        /// <summary>Keeps new events out of the log, or lets them in again.</summary>
        public void FreezeEventLog(bool frozen = true)
        {
            IntPtr err;
            Failure.Check(Native.amt_device_freeze_event_log(handle, frozen ? 1u : 0u, out err), err);
        }

        /// <summary>Who did what, the oldest first (<c>records</c>), as JSON. The user needs realm 20 (audit log) or 3 (administration).</summary>
        public string GetAuditLog()
        {
            return Reply(delegate(out DocumentHandle reply, out IntPtr err)
            {
                return Native.amt_device_audit_log(handle, out reply, out err);
            });
        }

        /// <summary>What the machine is made of, as JSON in which every key is always there.</summary>
        public string GetInventory()
        {
            return Reply(delegate(out DocumentHandle reply, out IntPtr err)
            {
                return Native.amt_device_inventory(handle, out reply, out err);
            });
        }

        /// <summary>Whether and by whom the machine was set up, its names, firmware and certificate, as JSON. For <c>admin</c>, over TLS.</summary>
        public string GetStatus()
        {
            return Reply(delegate(out DocumentHandle reply, out IntPtr err)
            {
                return Native.amt_device_status(handle, out reply, out err);
            });
        }

        /// <summary>Which of serial line, drives and screen are free or taken (<c>sessions</c>), and <c>consent</c>, as JSON. The user needs realm 2
        /// (redirection) or 3 (administration).</summary>
        /// <param name="redirectionPort">0: the usual one, 16995, or 16994 without TLS.</param>
        public string GetSessions(ushort redirectionPort = 0)
        {
            return Reply(delegate(out DocumentHandle reply, out IntPtr err)
            {
                return Native.amt_device_sessions(handle, redirectionPort, out reply, out err);
            });
        }

        /// <summary>The authorities that the machine trusts (<c>certificates</c>, and <c>bundle</c>, PEM, the root first), as JSON. Whom the machine is
        /// taken for is said by <see cref="TrustRoots"/> and its like.</summary>
        public string GetAuthorities()
        {
            return Reply(delegate(out DocumentHandle reply, out IntPtr err)
            {
                return Native.amt_device_authorities(handle, out reply, out err);
            });
        }

        /// <summary>Adds the authorities of a bundle that the machine does not trust yet. The reply is JSON with <c>added</c>, <c>present</c> and
        /// <c>warnings</c>. Nothing is removed.</summary>
        /// <param name="bundle">PEM, the root first; <see cref="CheckAuthorities"/> says all that is wrong with it.</param>
        /// <param name="dryRun">Say what would be added, and write nothing.</param>
        /// <exception cref="AmtException"><see cref="AmtCode.CertificateParse"/>: the bundle is wrong, and nothing was sent.</exception>
        public string AddAuthorities(byte[] bundle, bool dryRun = false)
        {
            if (bundle == null)
            {
                throw new ArgumentNullException("bundle");
            }
            return Reply(delegate(out DocumentHandle reply, out IntPtr err)
            {
                return Native.amt_device_add_authorities(
                    handle, bundle, bundle.Length(), dryRun ? 1u : 0u, out reply, out err);
            });
        }

        /// <summary>Everything that is wrong with a bundle of authorities, at once. Nothing is sent.</summary>
        public static IReadOnlyList<Finding> CheckAuthorities(byte[] bundle)
        {
            if (bundle == null)
            {
                throw new ArgumentNullException("bundle");
            }
            Library.Check();
            FindingsHandle findings;
            IntPtr err;
            Failure.Check(Native.amt_authorities_check(bundle, bundle.Length(), out findings, out err), err);
            using (findings)
            {
                return Finding.All(findings);
            }
        }

        /// <summary>How far the machine's clock is off (<c>drift_seconds</c>, below zero: behind), as JSON. For <c>admin</c>, over TLS.</summary>
        public string GetClock()
        {
            return Clock(0);
        }

        /// <summary>The same, and makes it right if it is off by more than ten seconds (<c>set</c>).</summary>
        public string SetClock()
        {
            return Clock(1);
        }

        private string Clock(uint set)
        {
            return Reply(delegate(out DocumentHandle reply, out IntPtr err)
            {
                return Native.amt_device_clock(handle, set, out reply, out err);
            });
        }
    }
}
