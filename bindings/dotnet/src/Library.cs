using System;

namespace Amt
{
    /// <summary>The C library that this assembly loaded.</summary>
    public static class Library
    {
        private static volatile bool known;

        /// <summary>Its version.</summary>
        public static Version Version
        {
            get
            {
                uint number = Native.amt_version_number();
                return new Version((int)(number >> 16), (int)(number >> 8 & 0xff), (int)(number & 0xff));
            }
        }

        /// <summary>The version of its binary interface.</summary>
        public static int AbiVersion
        {
            get { return checked((int)Native.amt_abi_version()); }
        }

        // Called before anything else: another binary interface is refused rather than misread.
        internal static void Check()
        {
            if (known)
            {
                return;
            }
            uint version = Native.amt_abi_version();
            if (version != Native.AbiVersion)
            {
                string message = "the library's binary interface is " + version + ", this assembly is made for " + Native.AbiVersion;
                throw Failure.Plain(AmtCode.AbiMismatch, "ABI_MISMATCH", "load", message);
            }
            known = true;
        }
    }
}
