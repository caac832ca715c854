using System;
using System.Collections.Generic;

namespace Amt
{
    /// <summary>A setup.bin: the file on a USB stick from which a machine's BIOS takes passwords, pairs and settings. It never changes;
    /// every thread may read it.</summary>
    public sealed class SetupBin : IDisposable
    {
        private readonly SetupbinHandle handle;

        private SetupBin(SetupbinHandle handle)
        {
            this.handle = handle;
        }

        /// <summary>Reads a file, as far as it can be read.</summary>
        /// <exception cref="AmtException"><see cref="AmtCode.SetupBin"/>: it is none. <see cref="Lint"/> tells what is wrong with one that
        /// could be read.</exception>
        public static SetupBin Parse(byte[] data)
        {
            if (data == null)
            {
                throw new ArgumentNullException("data");
            }
            Library.Check();
            SetupbinHandle handle;
            IntPtr err;
            Failure.Check(Native.amt_setupbin_parse(data, data.Length(), out handle, out err), err);
            return new SetupBin(handle);
        }

        /// <summary>Makes a file out of a JSON document. The least that is needed is
        /// <c>{"records": [{"entries": {"current_password": "admin", "new_password": "…"}}]}</c>; <see cref="Variables"/> lists names and
        /// values. What <see cref="ToJson"/> gave, with secrets, is rebuilt to the byte.</summary>
        /// <exception cref="AmtException"><see cref="AmtCode.SetupBin"/>: the message names the place and repeats no value.</exception>
        public static SetupBin FromJson(string json)
        {
            if (json == null)
            {
                throw new ArgumentNullException("json");
            }
            Library.Check();
            SetupbinHandle handle = null;
            Writing.Secret(json, delegate(byte[] bytes)
            {
                IntPtr err;
                Failure.Check(Native.amt_setupbin_from_json(bytes, bytes.Length(), out handle, out err), err);
            });
            return new SetupBin(handle);
        }

        /// <summary>Everything that is wrong with a file, also with one that cannot be read.</summary>
        public static IReadOnlyList<Finding> Lint(byte[] data)
        {
            if (data == null)
            {
                throw new ArgumentNullException("data");
            }
            Library.Check();
            FindingsHandle findings;
            IntPtr err;
            Failure.Check(Native.amt_setupbin_lint(data, data.Length(), out findings, out err), err);
            using (findings)
            {
                return Finding.All(findings);
            }
        }

        /// <summary>The variables that a record may have, as JSON: a list of <c>module</c>, <c>variable</c>, <c>name</c>, <c>since</c> (version
        /// of the file), <c>type</c>, <c>secret</c>, <c>values</c>, <c>about</c>.</summary>
        public static string Variables()
        {
            Library.Check();
            DocumentHandle document;
            IntPtr err;
            Failure.Check(Native.amt_setupbin_variables(out document, out err), err);
            return document.Json();
        }

        /// <summary>The file, to be written to the stick. It has secrets.</summary>
        public byte[] ToArray()
        {
            return handle.Bytes(Native.amt_setupbin_bytes);
        }

        /// <summary>What is in the file, as JSON: <c>version</c>, <c>flags</c>, <c>consumed</c>, <c>modules</c>, <c>records</c> with their
        /// <c>entries</c>, and <c>findings</c>.</summary>
        /// <param name="reveal">Passwords, PPS and passcodes too; otherwise they are null.</param>
        public string ToJson(bool reveal = false)
        {
            DocumentHandle document;
            IntPtr err;
            Failure.Check(Native.amt_setupbin_json(handle, reveal ? 1u : 0u, out document, out err), err);
            return document.Json();
        }

        /// <summary>Frees it and zeroes its secrets.</summary>
        public void Dispose()
        {
            handle.Dispose();
        }
    }
}
