using System;
using System.Runtime.InteropServices;

namespace Amt
{
    // A line of the log, lent for the time of the call.
    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
    internal delegate void LogSink(
        IntPtr userData, uint level, IntPtr target, UIntPtr targetLen, IntPtr message, UIntPtr messageLen);

    // The functions of amt.h, by their names there. A test compares every one with the header: name, number and type of parameters.
    // Text and bytes go in as array and length; they come out as address and length, to be copied while the handle is held.
    // An error object comes out as an address, and becomes a handle only where there is one.
    internal static class Native
    {
        // amt-1.dll on Windows; elsewhere libamt-1.so (.NET) or libamt.so.1 (mono, by Amt.dll.config).
        internal const string Library = "amt-1";

        // AMT_ABI_VERSION of the header that this file was written from.
        internal const uint AbiVersion = 1;

        private const CallingConvention C = CallingConvention.Cdecl;

        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_abi_version();
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_version_number();

        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_log_set_sink(uint level, LogSink sink, IntPtr userData, out IntPtr err);

        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_error_code(ErrorHandle error, out uint code);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_error_name(ErrorHandle error, out IntPtr data, out UIntPtr len);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_error_stage(ErrorHandle error, out IntPtr data, out UIntPtr len);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_error_message(ErrorHandle error, out IntPtr data, out UIntPtr len);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_error_hint(ErrorHandle error, out IntPtr data, out UIntPtr len);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_error_device_text(ErrorHandle error, out IntPtr data, out UIntPtr len);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_error_device_status(ErrorHandle error, out uint kind, out uint value);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_error_free(IntPtr error);

        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_hello_parse(byte[] data, UIntPtr len, out HelloHandle hello, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_hello_kind(HelloHandle hello, out uint kind, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_hello_retry(HelloHandle hello, out uint retry, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_hello_admin_credentials_set(HelloHandle hello, out uint set, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_hello_trailing(HelloHandle hello, out UIntPtr trailing, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_hello_uuid(HelloHandle hello, out IntPtr data, out UIntPtr len, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_hello_pid(HelloHandle hello, out IntPtr data, out UIntPtr len, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_hello_root_count(HelloHandle hello, out UIntPtr count, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_hello_root(
            HelloHandle hello, UIntPtr index, out uint algorithm, out IntPtr data, out UIntPtr len, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_hello_encode(HelloHandle hello, out IntPtr data, out UIntPtr len, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_hello_free(IntPtr hello);

        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_certificate_parse_pfx(
            byte[] data, UIntPtr len, byte[] password, UIntPtr passwordLen, out CertificateHandle certificate, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_certificate_parse_pem(
            byte[] data, UIntPtr len, byte[] key, UIntPtr keyLen, byte[] password, UIntPtr passwordLen,
            out CertificateHandle certificate, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_certificate_preflight(
            CertificateHandle certificate, HelloHandle hello, byte[] suffix, UIntPtr suffixLen, byte[] firmware, UIntPtr firmwareLen,
            uint flags, out FindingsHandle findings, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_certificate_free(IntPtr certificate);

        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_findings_count(FindingsHandle findings, out UIntPtr count, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_findings_severity(FindingsHandle findings, UIntPtr index, out uint severity, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_findings_code(
            FindingsHandle findings, UIntPtr index, out IntPtr data, out UIntPtr len, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_findings_field(
            FindingsHandle findings, UIntPtr index, out IntPtr data, out UIntPtr len, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_findings_message(
            FindingsHandle findings, UIntPtr index, out IntPtr data, out UIntPtr len, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_findings_hint(
            FindingsHandle findings, UIntPtr index, out IntPtr data, out UIntPtr len, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_findings_free(IntPtr findings);

        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_job_new(
            byte[] uuid, UIntPtr uuidLen, byte[] address, UIntPtr addressLen, out JobHandle job, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_job_set_port(JobHandle job, ushort port, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_job_set_hello(JobHandle job, HelloHandle hello, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_job_add_certificate(JobHandle job, CertificateHandle certificate, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_job_add_chain(JobHandle job, CertificateHandle certificate, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_job_set_client_certificate(JobHandle job, CertificateHandle certificate, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_job_set_suffix(JobHandle job, byte[] data, UIntPtr len, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_job_set_host_name(JobHandle job, byte[] data, UIntPtr len, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_job_set_domain_name(JobHandle job, byte[] data, UIntPtr len, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_job_set_admin_password(JobHandle job, byte[] data, UIntPtr len, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_job_set_mebx_password(JobHandle job, byte[] data, UIntPtr len, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_job_add_known_password(JobHandle job, byte[] data, UIntPtr len, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_job_add_psk(
            JobHandle job, byte[] pid, UIntPtr pidLen, byte[] pps, UIntPtr ppsLen, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_job_set_legacy_tls(JobHandle job, uint consent, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_job_set_otp(JobHandle job, byte[] data, UIntPtr len, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_job_set_authority_files(
            JobHandle job, byte[] certificate, UIntPtr certificateLen, byte[] key, UIntPtr keyLen, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_job_set_journal_file(
            JobHandle job, byte[] database, UIntPtr databaseLen, byte[] key, UIntPtr keyLen, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_job_set_record(JobHandle job, byte[] data, UIntPtr len, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_job_free(IntPtr job);

        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_provision_new(JobHandle job, out ProvisionHandle provision, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_provision_next(
            ProvisionHandle provision, uint timeoutMs, out EventHandle next, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_provision_persisted(ProvisionHandle provision, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_provision_persist_failed(
            ProvisionHandle provision, byte[] reason, UIntPtr reasonLen, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_provision_issued(ProvisionHandle provision, byte[] data, UIntPtr len, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_provision_pending(
            ProvisionHandle provision, byte[] requestId, UIntPtr requestIdLen, uint retryAfterS, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_provision_denied(ProvisionHandle provision, byte[] reason, UIntPtr reasonLen, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_provision_signed(ProvisionHandle provision, byte[] data, UIntPtr len, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_provision_sign_failed(
            ProvisionHandle provision, byte[] reason, UIntPtr reasonLen, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_provision_cancel(ProvisionHandle provision, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_provision_free(IntPtr provision);

        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_event_kind(EventHandle handle, out uint kind, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_event_text(EventHandle handle, out IntPtr data, out UIntPtr len, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_event_record(EventHandle handle, out IntPtr data, out UIntPtr len, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_event_csr(EventHandle handle, out IntPtr data, out UIntPtr len, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_event_common_name(EventHandle handle, out IntPtr data, out UIntPtr len, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_event_dns_name_count(EventHandle handle, out UIntPtr count, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_event_dns_name(
            EventHandle handle, UIntPtr index, out IntPtr data, out UIntPtr len, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_event_request_id(EventHandle handle, out IntPtr data, out UIntPtr len, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_event_sign_data(
            EventHandle happened, out UIntPtr certificate, out IntPtr data, out UIntPtr len, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_event_control_mode(EventHandle handle, out IntPtr data, out UIntPtr len, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_event_tls_version(EventHandle handle, out IntPtr data, out UIntPtr len, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_event_tls_suite(EventHandle handle, out IntPtr data, out UIntPtr len, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_event_firmware(EventHandle handle, out IntPtr data, out UIntPtr len, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_event_result(EventHandle handle, out IntPtr data, out UIntPtr len, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_event_free(IntPtr handle);

        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_record_parse(byte[] data, UIntPtr len, out RecordHandle record, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_record_uuid(RecordHandle record, out IntPtr data, out UIntPtr len, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_record_admin_password_count(RecordHandle record, out UIntPtr count, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_record_admin_password(
            RecordHandle record, UIntPtr index, out IntPtr data, out UIntPtr len, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_record_mebx_password_count(RecordHandle record, out UIntPtr count, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_record_mebx_password(
            RecordHandle record, UIntPtr index, out IntPtr data, out UIntPtr len, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_record_certificate(RecordHandle record, out IntPtr data, out UIntPtr len, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_record_verified(RecordHandle record, out uint verified, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_record_free(IntPtr record);

        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_capabilities(byte[] version, UIntPtr versionLen, out DocumentHandle document, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_document_json(DocumentHandle document, out IntPtr data, out UIntPtr len, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_document_free(IntPtr document);

        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_psk_parse(
            byte[] pid, UIntPtr pidLen, byte[] pps, UIntPtr ppsLen, uint form, out PskHandle psk, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_psk_generate(byte[] pid, UIntPtr pidLen, out PskHandle psk, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_psk_pid(PskHandle psk, uint dashed, out IntPtr data, out UIntPtr len, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_psk_pps(PskHandle psk, uint dashed, out IntPtr data, out UIntPtr len, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_psk_free(IntPtr psk);

        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_setupbin_parse(byte[] data, UIntPtr len, out SetupbinHandle setupbin, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_setupbin_from_json(byte[] data, UIntPtr len, out SetupbinHandle setupbin, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_setupbin_bytes(SetupbinHandle setupbin, out IntPtr data, out UIntPtr len, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_setupbin_json(SetupbinHandle setupbin, uint reveal, out DocumentHandle document, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_setupbin_lint(byte[] data, UIntPtr len, out FindingsHandle findings, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_setupbin_variables(out DocumentHandle document, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_setupbin_free(IntPtr setupbin);

        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_device_new(
            byte[] address, UIntPtr addressLen, ushort port, byte[] user, UIntPtr userLen, byte[] password, UIntPtr passwordLen,
            out DeviceHandle device, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_device_trust_any(DeviceHandle device, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_device_trust_pin(DeviceHandle device, byte[] sha256, UIntPtr len, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_device_trust_roots(
            DeviceHandle device, byte[] roots, UIntPtr rootsLen, byte[] name, UIntPtr nameLen, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_device_trust_plain(DeviceHandle device, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_device_set_legacy_tls(DeviceHandle device, uint consent, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_device_set_client_certificate(DeviceHandle device, CertificateHandle certificate, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_device_get(
            DeviceHandle device, byte[] className, UIntPtr classNameLen, byte[] selectors, UIntPtr selectorsLen,
            out DocumentHandle reply, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_device_put(
            DeviceHandle device, byte[] className, UIntPtr classNameLen, byte[] instance, UIntPtr instanceLen,
            byte[] selectors, UIntPtr selectorsLen, out DocumentHandle reply, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_device_invoke(
            DeviceHandle device, byte[] className, UIntPtr classNameLen, byte[] method, UIntPtr methodLen,
            byte[] arguments, UIntPtr argumentsLen, byte[] selectors, UIntPtr selectorsLen, out DocumentHandle reply, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_device_enumerate(
            DeviceHandle device, byte[] className, UIntPtr classNameLen, out DocumentHandle reply, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_device_connection(DeviceHandle device, out DocumentHandle document, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_device_power(DeviceHandle device, out DocumentHandle reply, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_device_power_action(
            DeviceHandle device, uint action, out DocumentHandle reply, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_device_boot(
            DeviceHandle device, uint source, byte[] url, UIntPtr urlLen, uint sol, uint then, out DocumentHandle reply,
            out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_device_boot_state(DeviceHandle device, out DocumentHandle reply, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_device_clear_boot(DeviceHandle device, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_device_event_log(DeviceHandle device, out DocumentHandle reply, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_device_clear_event_log(DeviceHandle device, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_device_freeze_event_log(DeviceHandle device, uint frozen, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_device_audit_log(DeviceHandle device, out DocumentHandle reply, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_device_inventory(DeviceHandle device, out DocumentHandle reply, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_device_status(DeviceHandle device, out DocumentHandle reply, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_device_sessions(
            DeviceHandle device, ushort redirectionPort, out DocumentHandle reply, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_device_authorities(DeviceHandle device, out DocumentHandle reply, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_device_add_authorities(
            DeviceHandle device, byte[] bundle, UIntPtr bundleLen, uint dryRun, out DocumentHandle reply, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_authorities_check(
            byte[] bundle, UIntPtr bundleLen, out FindingsHandle findings, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_device_clock(DeviceHandle device, uint set, out DocumentHandle reply, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_device_configure(
            DeviceHandle device, byte[] document, UIntPtr documentLen, byte[] folder, UIntPtr folderLen, byte[] record,
            UIntPtr recordLen, uint options, out ProvisionHandle attempt, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_device_rotate(
            DeviceHandle device, byte[] password, UIntPtr passwordLen, byte[] record, UIntPtr recordLen,
            out ProvisionHandle attempt, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_device_renew(
            DeviceHandle device, uint atPercent, byte[] certificate, UIntPtr certificateLen, byte[] key, UIntPtr keyLen, byte[] record,
            UIntPtr recordLen, out ProvisionHandle attempt, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_device_unprovision(
            DeviceHandle device, uint extent, byte[] record, UIntPtr recordLen, uint options, out ProvisionHandle attempt,
            out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_device_cancel(DeviceHandle device, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_device_free(IntPtr device);

        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_profile_check(
            byte[] document, UIntPtr documentLen, byte[] firmware, UIntPtr firmwareLen, out FindingsHandle findings,
            out IntPtr err);

        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_listener_new(byte[] addresses, UIntPtr addressesLen, out ListenerHandle listener, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_listener_addresses(ListenerHandle listener, out IntPtr data, out UIntPtr len, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_listener_next(
            ListenerHandle listener, uint timeoutMs, out ArrivalHandle arrival, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_listener_cancel(ListenerHandle listener, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_listener_free(IntPtr listener);

        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_arrival_address(ArrivalHandle arrival, out IntPtr data, out UIntPtr len, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_arrival_hello(ArrivalHandle arrival, out HelloHandle hello, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_arrival_bytes(ArrivalHandle arrival, out IntPtr data, out UIntPtr len, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_arrival_repeat(ArrivalHandle arrival, out uint repeat, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_arrival_received(ArrivalHandle arrival, out ulong unixMs, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_arrival_free(IntPtr arrival);

        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_local_new(out LocalHandle local, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_local_set_device(LocalHandle local, byte[] data, UIntPtr len, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_local_set_route(LocalHandle local, uint route, byte[] lms, UIntPtr lmsLen, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_local_trust_pin(LocalHandle local, byte[] sha256, UIntPtr len, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_local_status(LocalHandle local, out DocumentHandle document, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_local_job(LocalHandle local, out JobHandle job, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_local_activate(
            LocalHandle local, JobHandle job, uint mode, uint options, out ProvisionHandle provision, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_local_unprovision(
            LocalHandle local, JobHandle job, uint extent, out ProvisionHandle provision, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_local_cancel(LocalHandle local, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_local_free(IntPtr local);

        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_fleet_open(
            byte[] database, UIntPtr databaseLen, byte[] keyFile, UIntPtr keyFileLen, out FleetHandle fleet, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_fleet_machines(
            FleetHandle fleet, byte[] conditions, UIntPtr conditionsLen, byte[] sort, UIntPtr sortLen, uint limit,
            out DocumentHandle document, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_fleet_machine(
            FleetHandle fleet, byte[] uuid, UIntPtr uuidLen, out DocumentHandle document, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_fleet_facts(
            FleetHandle fleet, byte[] uuid, UIntPtr uuidLen, out DocumentHandle document, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_fleet_diary(
            FleetHandle fleet, byte[] uuid, UIntPtr uuidLen, uint limit, out DocumentHandle document, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_fleet_report(
            FleetHandle fleet, byte[] uuid, UIntPtr uuidLen, byte[] source, UIntPtr sourceLen, byte[] facts, UIntPtr factsLen,
            out uint changed, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_fleet_enroll(
            FleetHandle fleet, byte[] uuid, UIntPtr uuidLen, byte[] facts, UIntPtr factsLen, byte[] by, UIntPtr byLen,
            out uint changed, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_fleet_new_token(
            FleetHandle fleet, uint uses, uint validS, byte[] uuid, UIntPtr uuidLen, byte[] note, UIntPtr noteLen,
            out CredentialsHandle token, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_fleet_revoke_token(FleetHandle fleet, long number, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_fleet_release(
            FleetHandle fleet, byte[] uuid, UIntPtr uuidLen, byte[] by, UIntPtr byLen, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_fleet_credentials(
            FleetHandle fleet, byte[] uuid, UIntPtr uuidLen, out CredentialsHandle credentials, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_fleet_free(IntPtr fleet);

        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_credentials_count(CredentialsHandle credentials, out UIntPtr count, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_credentials_kind(
            CredentialsHandle credentials, UIntPtr index, out IntPtr data, out UIntPtr len, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_credentials_account(
            CredentialsHandle credentials, UIntPtr index, out IntPtr data, out UIntPtr len, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_credentials_password(
            CredentialsHandle credentials, UIntPtr index, out IntPtr data, out UIntPtr len, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_credentials_free(IntPtr credentials);

        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_server_new(
            FleetHandle fleet, byte[] config, UIntPtr configLen, out ServerHandle server, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_server_addresses(ServerHandle server, out IntPtr data, out UIntPtr len, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_server_intake_addresses(ServerHandle server, out IntPtr data, out UIntPtr len, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_server_intake_pin(ServerHandle server, out IntPtr data, out UIntPtr len, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_server_next(
            ServerHandle server, uint timeoutMs, out DocumentHandle next, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_server_ask_host(ServerHandle server, uint patienceMs, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_server_question(
            ServerHandle server, out ulong question, out DocumentHandle asked, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_server_answer(
            ServerHandle server, ulong question, byte[] answer, UIntPtr answerLen, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_server_answer_failed(
            ServerHandle server, ulong question, byte[] reason, UIntPtr reasonLen, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_server_add_chain(ServerHandle server, CertificateHandle certificate, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_server_signature(
            ServerHandle server, out ulong signature, out EventHandle asked, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_server_sign(
            ServerHandle server, ulong signature, byte[] data, UIntPtr len, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_server_sign_failed(
            ServerHandle server, ulong signature, byte[] reason, UIntPtr reasonLen, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_server_stop(ServerHandle server, out IntPtr err);
        [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
        internal static extern uint amt_server_free(IntPtr server);
    }
}
