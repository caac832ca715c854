using System;
using System.Text;

namespace Amt
{
    /// <summary>A call of the library failed: what, where, what the device said, and what to do next.</summary>
    public sealed class AmtException : Exception
    {
        internal AmtException(AmtCode code, string name, string stage, string message, string hint, DeviceStatus device)
            : base(message)
        {
            Code = code;
            Name = name;
            Stage = stage;
            Hint = hint;
            DeviceStatus = device;
        }

        /// <summary>The code. A later library may give numbers that the enumeration does not name.</summary>
        public AmtCode Code { get; private set; }

        /// <summary>The code's name in the registry, for example <c>TLS_CHAIN_REFUSED</c>.</summary>
        public string Name { get; private set; }

        /// <summary>Where it happened: a step of a procedure or an operation.</summary>
        public string Stage { get; private set; }

        /// <summary>What to do next.</summary>
        public string Hint { get; private set; }

        /// <summary>What the device itself said; null if it said nothing.</summary>
        public DeviceStatus DeviceStatus { get; private set; }
    }

    /// <summary>In which way a device said something.</summary>
    public enum DeviceStatusKind : uint
    {
        /// <summary>The value of a method's <c>ReturnValue</c>.</summary>
        ReturnValue = 1,

        /// <summary>A SOAP fault; the value is its <c>AMT-STATUS</c>, or 0 if it carried none.</summary>
        Fault = 2,

        /// <summary>An HTTP status.</summary>
        Http = 3,

        /// <summary>A TLS alert.</summary>
        TlsAlert = 4,
    }

    /// <summary>What a device said.</summary>
    public sealed class DeviceStatus
    {
        internal DeviceStatus(DeviceStatusKind kind, uint value, string text)
        {
            Kind = kind;
            Value = value;
            Text = text;
        }

        /// <summary>In which way it was said.</summary>
        public DeviceStatusKind Kind { get; private set; }

        /// <summary>The number that was said.</summary>
        public uint Value { get; private set; }

        /// <summary>The same in words.</summary>
        public string Text { get; private set; }

        /// <summary>The words.</summary>
        public override string ToString()
        {
            return Text;
        }
    }

    internal delegate uint ErrorText(ErrorHandle error, out IntPtr data, out UIntPtr len);

    internal static class Failure
    {
        // Throws what a failed call said. `error` is freed.
        internal static void Check(uint status, IntPtr error)
        {
            if (status != 0)
            {
                throw From(status, error);
            }
        }

        internal static AmtException From(uint status, IntPtr error)
        {
            using (var handle = new ErrorHandle(error))
            {
                if (handle.IsInvalid)
                {
                    return Plain((AmtCode)status, "UNKNOWN", "call", "the library gave no details of status " + status);
                }
                return new AmtException(
                    (AmtCode)status,
                    Text(handle, Native.amt_error_name),
                    Text(handle, Native.amt_error_stage),
                    Text(handle, Native.amt_error_message),
                    Text(handle, Native.amt_error_hint),
                    Device(handle));
            }
        }

        // A failure that this assembly finds itself.
        internal static AmtException Plain(AmtCode code, string name, string stage, string message)
        {
            return new AmtException(code, name, stage, message, "", null);
        }

        private static DeviceStatus Device(ErrorHandle error)
        {
            uint kind, value;
            if (Native.amt_error_device_status(error, out kind, out value) != 0 || kind == 0)
            {
                return null;
            }
            return new DeviceStatus((DeviceStatusKind)kind, value, Text(error, Native.amt_error_device_text));
        }

        private static string Text(ErrorHandle error, ErrorText function)
        {
            IntPtr data;
            UIntPtr len;
            return function(error, out data, out len) == 0 ? Encoding.UTF8.GetString(Reading.Copy(data, len)) : "";
        }
    }
}
