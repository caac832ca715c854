using System;

namespace Amt
{
    /// <summary>What a firmware can do.</summary>
    public static class Capabilities
    {
        /// <summary>What the firmware of this version can do, as a JSON object: a truth value for each feature, <c>version</c>, <c>tls</c>,
        /// <c>engine</c>, <c>suites</c>, <c>psk_suites</c>, <c>root_hashes</c>, <c>rsa_bits</c>, <c>digest_algorithms</c>.</summary>
        /// <param name="version">For example <c>16.1</c> or <c>11.8.65.3590</c>.</param>
        /// <exception cref="AmtException"><see cref="AmtCode.ParseText"/>: this is no version.</exception>
        public static string Of(string version)
        {
            byte[] bytes = Writing.Required(version, "version");
            Library.Check();
            DocumentHandle document;
            IntPtr err;
            Failure.Check(Native.amt_capabilities(bytes, bytes.Length(), out document, out err), err);
            return document.Json();
        }
    }
}
