using System.Collections.Generic;

namespace Amt
{
    /// <summary>How bad a finding is; larger is worse.</summary>
    public enum Severity : uint
    {
        /// <summary>Worth knowing.</summary>
        Info = 1,

        /// <summary>May fail, on some firmware or soon.</summary>
        Warning = 2,

        /// <summary>Will fail.</summary>
        Error = 3,
    }

    /// <summary>Something that a check found.</summary>
    public sealed class Finding
    {
        private Finding(FindingsHandle findings, int index)
        {
            System.UIntPtr at = new System.UIntPtr((uint)index);
            Severity = (Severity)findings.Number(
                delegate(FindingsHandle handle, out uint value, out System.IntPtr err)
                {
                    return Native.amt_findings_severity(handle, at, out value, out err);
                });
            Code = findings.Text(Native.amt_findings_code, index);
            Field = findings.Text(Native.amt_findings_field, index);
            Message = findings.Text(Native.amt_findings_message, index);
            Hint = findings.Text(Native.amt_findings_hint, index);
        }

        /// <summary>How bad it is.</summary>
        public Severity Severity { get; private set; }

        /// <summary>Its stable code, for example <c>ROOT-NOHASH</c>.</summary>
        public string Code { get; private set; }

        /// <summary>The certificate, record or field that it is about.</summary>
        public string Field { get; private set; }

        /// <summary>What is wrong.</summary>
        public string Message { get; private set; }

        /// <summary>What to do about it.</summary>
        public string Hint { get; private set; }

        /// <summary>One line for people.</summary>
        public override string ToString()
        {
            return Severity + " " + Code + " " + Field + ": " + Message;
        }

        internal static IReadOnlyList<Finding> All(FindingsHandle findings)
        {
            var all = new Finding[findings.Size(Native.amt_findings_count)];
            for (int index = 0; index < all.Length; index++)
            {
                all[index] = new Finding(findings, index);
            }
            return all;
        }
    }
}
