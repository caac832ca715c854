using System;
using System.Collections.Generic;
using System.Globalization;
using System.Security;

namespace Amt
{
    /// <summary>A password of a machine. Its text comes out as a secure string only.</summary>
    public sealed class Credential
    {
        internal Credential(CredentialsHandle credentials, int index)
        {
            Kind = credentials.Text(Native.amt_credentials_kind, index);
            Account = credentials.Text(Native.amt_credentials_account, index);
            Password = credentials.Secret(Native.amt_credentials_password, index);
        }

        /// <summary>What it opens: <c>admin</c>, the network administrator, or <c>mebx</c>, the setup menu.</summary>
        public string Kind { get; private set; }

        /// <summary>The account.</summary>
        public string Account { get; private set; }

        /// <summary>The password.</summary>
        public SecureString Password { get; private set; }
    }

    /// <summary>A token that clients on the machines enrol with, as <c>amt enroll --token-file</c> takes it.</summary>
    public sealed class EnrolmentToken : IDisposable
    {
        internal EnrolmentToken(CredentialsHandle token)
        {
            Number = long.Parse(token.Text(Native.amt_credentials_account, 0), CultureInfo.InvariantCulture);
            Text = token.Secret(Native.amt_credentials_password, 0);
        }

        /// <summary>Its number, to speak of it.</summary>
        public long Number { get; private set; }

        /// <summary>The token, a secret.</summary>
        public SecureString Text { get; private set; }

        /// <summary>Forgets the text.</summary>
        public void Dispose()
        {
            Text.Dispose();
        }
    }

    /// <summary>The database of a fleet, as <c>amt serve</c> and Python use it. One call at a time. Several programs may use one database; one
    /// of them may be its setup server.</summary>
    public sealed class Fleet : IDisposable
    {
        private delegate uint Question(byte[] uuid, UIntPtr uuidLen, out DocumentHandle document, out IntPtr err);

        private readonly FleetHandle handle;

        /// <summary>Opens a database, or makes it.</summary>
        /// <param name="database">Its path.</param>
        /// <param name="keyFile">The file with the key that seals its secrets, made together with a new database; null: the database's path
        /// with <c>.key</c> after it.</param>
        /// <exception cref="AmtException"><see cref="AmtCode.SealKey"/>: this is not the key of that database.</exception>
        public Fleet(string database, string keyFile = null)
        {
            byte[] path = Writing.Required(database, "database"), key = Writing.Text(keyFile);
            Library.Check();
            IntPtr err;
            Failure.Check(Native.amt_fleet_open(path, path.Length(), key, key.Length(), out handle, out err), err);
        }

        internal FleetHandle Handle
        {
            get { return handle; }
        }

        /// <summary>The machines that fit a filter, as a JSON array of what <c>amt fleet list --json</c> shows of each.</summary>
        /// <param name="conditions">Such as <c>verified and version >= 16</c>; null: all.</param>
        /// <param name="sort">A field, such as <c>name</c> or, downwards, <c>-hello</c>; null: as they became known.</param>
        /// <param name="limit">At most so many; 0: all.</param>
        /// <exception cref="AmtException"><see cref="AmtCode.Filter"/>: the message points at the character.</exception>
        public string GetMachines(string conditions = null, string sort = null, int limit = 0)
        {
            if (limit < 0)
            {
                throw new ArgumentOutOfRangeException("limit");
            }
            byte[] filter = Writing.Text(conditions), field = Writing.Text(sort);
            DocumentHandle document;
            IntPtr err;
            uint status = Native.amt_fleet_machines(
                handle, filter, filter.Length(), field, field.Length(), (uint)limit, out document, out err);
            Failure.Check(status, err);
            return document.Json();
        }

        /// <summary>One machine, as JSON.</summary>
        /// <exception cref="AmtException"><see cref="AmtCode.MachineUnknown"/>.</exception>
        public string GetMachine(Guid uuid)
        {
            return Ask(uuid, delegate(byte[] id, UIntPtr len, out DocumentHandle document, out IntPtr err)
            {
                return Native.amt_fleet_machine(handle, id, len, out document, out err);
            });
        }

        /// <summary>What is said of a machine and by whom, the most trusted source of each key first, as a JSON array.</summary>
        public string GetFacts(Guid uuid)
        {
            return Ask(uuid, delegate(byte[] id, UIntPtr len, out DocumentHandle document, out IntPtr err)
            {
                return Native.amt_fleet_facts(handle, id, len, out document, out err);
            });
        }

        /// <summary>The last lines of a machine's diary, oldest first, as a JSON array.</summary>
        public string GetDiary(Guid uuid, int limit = 200)
        {
            if (limit < 0)
            {
                throw new ArgumentOutOfRangeException("limit");
            }
            return Ask(uuid, delegate(byte[] id, UIntPtr len, out DocumentHandle document, out IntPtr err)
            {
                return Native.amt_fleet_diary(handle, id, len, (uint)limit, out document, out err);
            });
        }

        /// <summary>The passwords that may open a machine, likeliest first within each kind.</summary>
        public IReadOnlyList<Credential> GetCredentials(Guid uuid)
        {
            byte[] id = Writing.Text(uuid.ToString("D"));
            CredentialsHandle credentials;
            IntPtr err;
            Failure.Check(Native.amt_fleet_credentials(handle, id, id.Length(), out credentials, out err), err);
            using (credentials)
            {
                var all = new Credential[credentials.Size(Native.amt_credentials_count)];
                for (int index = 0; index < all.Length; index++)
                {
                    all[index] = new Credential(credentials, index);
                }
                return all;
            }
        }

        /// <summary>Records what a source says of a machine that is known. Of every key named, what the same source said before ends.</summary>
        /// <param name="uuid">The machine.</param>
        /// <param name="source"><c>operator</c>, <c>list</c> and others.</param>
        /// <param name="facts">A JSON object such as <c>{"fqdn": "pc1.example.com", "label": ["a", "b"]}</c>.</param>
        /// <returns>Whether anything is new.</returns>
        public bool Report(Guid uuid, string source, string facts)
        {
            byte[] id = Writing.Text(uuid.ToString("D"));
            byte[] who = Writing.Required(source, "source"), what = Writing.Required(facts, "facts");
            uint changed;
            IntPtr err;
            uint status = Native.amt_fleet_report(
                handle, id, id.Length(), who, who.Length(), what, what.Length(), out changed, out err);
            Failure.Check(status, err);
            return changed != 0;
        }

        /// <summary>Records what a program on the machine found, as the intake does, for a host that has a channel of its own to its clients. A
        /// machine that is not known becomes so; it is not let in by that.</summary>
        /// <param name="uuid">The machine.</param>
        /// <param name="facts">A JSON object of <c>mac</c> (a list), <c>fqdn</c>, <c>host_name</c>, <c>dns_suffix</c>, <c>os</c>,
        /// <c>environment</c>, <c>control_mode</c>, <c>version</c>, <c>model</c> and <c>serial</c>, all optional.</param>
        /// <param name="by">Who says it, for the diary.</param>
        /// <returns>Whether anything is new.</returns>
        public bool Enroll(Guid uuid, string facts, string by)
        {
            byte[] id = Writing.Text(uuid.ToString("D"));
            byte[] what = Writing.Required(facts, "facts"), who = Writing.Required(by, "by");
            uint changed;
            IntPtr err;
            uint status = Native.amt_fleet_enroll(
                handle, id, id.Length(), what, what.Length(), who, who.Length(), out changed, out err);
            Failure.Check(status, err);
            return changed != 0;
        }

        /// <summary>Makes a token that clients on the machines enrol with through the intake. The database keeps a hash only.</summary>
        /// <param name="uses">For so many machines.</param>
        /// <param name="valid">How long, in whole seconds; null: for ever.</param>
        /// <param name="uuid">The only machine that may enrol with it; null: any.</param>
        /// <param name="note">What it is for, in words.</param>
        public EnrolmentToken NewToken(int uses = 1, TimeSpan? valid = null, Guid? uuid = null, string note = null)
        {
            if (uses < 0)
            {
                throw new ArgumentOutOfRangeException("uses");
            }
            double seconds = valid.HasValue ? Math.Ceiling(valid.Value.TotalSeconds) : 0;
            if (seconds > uint.MaxValue || (valid.HasValue && seconds < 1))
            {
                throw new ArgumentOutOfRangeException("valid");
            }
            byte[] id = Writing.Text(uuid.HasValue ? uuid.Value.ToString("D") : null), text = Writing.Text(note);
            CredentialsHandle token;
            IntPtr err;
            uint status = Native.amt_fleet_new_token(
                handle, (uint)uses, (uint)seconds, id, id.Length(), text, text.Length(), out token, out err);
            Failure.Check(status, err);
            using (token)
            {
                return new EnrolmentToken(token);
            }
        }

        /// <summary>Lets nobody enrol with a token any more; machines that did stay enrolled.</summary>
        /// <exception cref="AmtException"><see cref="AmtCode.InvalidArgument"/>: there is no such token.</exception>
        public void RevokeToken(long number)
        {
            IntPtr err;
            Failure.Check(Native.amt_fleet_revoke_token(handle, number, out err), err);
        }

        /// <summary>Lets a machine in, whatever the guard says; the diary tells who decided that.</summary>
        public void Release(Guid uuid, string by)
        {
            byte[] id = Writing.Text(uuid.ToString("D")), who = Writing.Required(by, "by");
            IntPtr err;
            Failure.Check(Native.amt_fleet_release(handle, id, id.Length(), who, who.Length(), out err), err);
        }

        /// <summary>Closes it. A server that it was given to does not need it any more.</summary>
        public void Dispose()
        {
            handle.Dispose();
        }

        private static string Ask(Guid uuid, Question question)
        {
            byte[] id = Writing.Text(uuid.ToString("D"));
            DocumentHandle document;
            IntPtr err;
            Failure.Check(question(id, id.Length(), out document, out err), err);
            return document.Json();
        }
    }
}
