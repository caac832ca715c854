using System;
using System.Runtime.InteropServices;

namespace Amt
{
    // One type per handle of the library: the compiler keeps them apart, and the runtime frees none while a call is inside.
    internal abstract class NativeHandle : SafeHandle
    {
        protected NativeHandle() : base(IntPtr.Zero, true)
        {
        }

        public override bool IsInvalid
        {
            get { return handle == IntPtr.Zero; }
        }
    }

    internal sealed class ErrorHandle : NativeHandle
    {
        internal ErrorHandle(IntPtr error)
        {
            SetHandle(error);
        }

        protected override bool ReleaseHandle()
        {
            return Native.amt_error_free(handle) == 0;
        }
    }

    internal sealed class HelloHandle : NativeHandle
    {
        // For a parameter that may be null.
        internal static readonly HelloHandle Null = new HelloHandle();

        protected override bool ReleaseHandle()
        {
            return Native.amt_hello_free(handle) == 0;
        }
    }

    internal sealed class CertificateHandle : NativeHandle
    {
        protected override bool ReleaseHandle()
        {
            return Native.amt_certificate_free(handle) == 0;
        }
    }

    internal sealed class FindingsHandle : NativeHandle
    {
        protected override bool ReleaseHandle()
        {
            return Native.amt_findings_free(handle) == 0;
        }
    }

    internal sealed class JobHandle : NativeHandle
    {
        protected override bool ReleaseHandle()
        {
            return Native.amt_job_free(handle) == 0;
        }
    }

    internal sealed class ProvisionHandle : NativeHandle
    {
        protected override bool ReleaseHandle()
        {
            return Native.amt_provision_free(handle) == 0;
        }
    }

    internal sealed class EventHandle : NativeHandle
    {
        protected override bool ReleaseHandle()
        {
            return Native.amt_event_free(handle) == 0;
        }
    }

    internal sealed class RecordHandle : NativeHandle
    {
        protected override bool ReleaseHandle()
        {
            return Native.amt_record_free(handle) == 0;
        }
    }

    internal sealed class DocumentHandle : NativeHandle
    {
        protected override bool ReleaseHandle()
        {
            return Native.amt_document_free(handle) == 0;
        }
    }

    internal sealed class PskHandle : NativeHandle
    {
        protected override bool ReleaseHandle()
        {
            return Native.amt_psk_free(handle) == 0;
        }
    }

    internal sealed class SetupbinHandle : NativeHandle
    {
        protected override bool ReleaseHandle()
        {
            return Native.amt_setupbin_free(handle) == 0;
        }
    }

    internal sealed class DeviceHandle : NativeHandle
    {
        protected override bool ReleaseHandle()
        {
            return Native.amt_device_free(handle) == 0;
        }
    }

    internal sealed class ListenerHandle : NativeHandle
    {
        protected override bool ReleaseHandle()
        {
            return Native.amt_listener_free(handle) == 0;
        }
    }

    internal sealed class ArrivalHandle : NativeHandle
    {
        protected override bool ReleaseHandle()
        {
            return Native.amt_arrival_free(handle) == 0;
        }
    }

    internal sealed class LocalHandle : NativeHandle
    {
        protected override bool ReleaseHandle()
        {
            return Native.amt_local_free(handle) == 0;
        }
    }

    internal sealed class FleetHandle : NativeHandle
    {
        protected override bool ReleaseHandle()
        {
            return Native.amt_fleet_free(handle) == 0;
        }
    }

    internal sealed class CredentialsHandle : NativeHandle
    {
        protected override bool ReleaseHandle()
        {
            return Native.amt_credentials_free(handle) == 0;
        }
    }

    internal sealed class ServerHandle : NativeHandle
    {
        protected override bool ReleaseHandle()
        {
            return Native.amt_server_free(handle) == 0;
        }
    }
}
