// Provisions one machine end to end: from setup mode to admin control mode, proven by a login over TLS.
// The folder takes what must not be lost: the journal with the machine's passwords, and the authority that signs its certificate.
#include "example.hpp"

static int provision(const std::vector<std::string> &arguments)
{
    const auto &address = arguments[0], &uuid = arguments[1], &host = arguments[3], &domain = arguments[4];
    const auto folder = arguments[5] + '/';
    const auto ca = folder + "ca.pem", ca_key = folder + "ca.key";
    const auto journal = folder + "journal.db", journal_key = folder + "journal.key";
    const auto pfx = read_file(arguments[2]);
    const auto password = secret("AMT_CERTIFICATE_PASSWORD"), admin = secret("AMT_PASSWORD");

    Handle<amt_certificate, amt_certificate_free> certificate;
    Handle<amt_job, amt_job_free> job;
    Handle<amt_provision, amt_provision_free> attempt;
    Error err;
    must(amt_certificate_parse_pfx(pfx.data(), pfx.size(), password.data(), password.size(), out(certificate), err), err);
    must(amt_job_new(uuid.data(), uuid.size(), address.data(), address.size(), out(job), err), err);
    must(amt_job_add_certificate(job.get(), certificate.get(), err), err);
    must(amt_job_set_suffix(job.get(), domain.data(), domain.size(), err), err);
    must(amt_job_set_host_name(job.get(), host.data(), host.size(), err), err);
    must(amt_job_set_domain_name(job.get(), domain.data(), domain.size(), err), err);
    must(amt_job_set_admin_password(job.get(), admin.data(), admin.size(), err), err);
    must(amt_job_set_authority_files(job.get(), ca.data(), ca.size(), ca_key.data(), ca_key.size(), err), err);
    must(amt_job_set_journal_file(job.get(), journal.data(), journal.size(), journal_key.data(), journal_key.size(), err), err);

    must(amt_provision_new(job.get(), out(attempt), err), err);
    for (std::uint32_t kind = 0; kind != AMT_EVENT_DONE;) {
        Handle<amt_event, amt_event_free> event;
        must(amt_provision_next(attempt.get(), 1000, out(event), err), err);
        if (event) {
            must(amt_event_kind(event.get(), &kind, err), err);
            std::cout << (kind == AMT_EVENT_DONE ? "" : "  ") << text(event, amt_event_text) << '\n';
        }
    }
    return 0;
}

int main(int argc, char **argv)
{
    return example(argc, argv, "provision ADDRESS UUID PFX HOST DOMAIN FOLDER", provision);
}
