// Says whether firmware will take a provisioning certificate, before a machine is asked.
#include "example.hpp"

static int preflight(const std::vector<std::string> &arguments)
{
    const auto pfx = read_file(arguments[0]);
    const auto password = secret("AMT_CERTIFICATE_PASSWORD");
    const auto &suffix = arguments[1];
    Handle<amt_certificate, amt_certificate_free> certificate;
    Handle<amt_findings, amt_findings_free> findings;
    Error err;
    must(amt_certificate_parse_pfx(pfx.data(), pfx.size(), password.data(), password.size(), out(certificate), err), err);
    must(amt_certificate_preflight(certificate.get(), nullptr, suffix.data(), suffix.size(), nullptr, 0, 0, out(findings), err),
         err);

    bool refused = false;
    std::size_t count;
    must(amt_findings_count(findings.get(), &count, err), err);
    for (std::size_t at = 0; at < count; at++) {
        const char *message;
        std::size_t len;
        std::uint32_t severity;
        must(amt_findings_severity(findings.get(), at, &severity, err), err);
        must(amt_findings_message(findings.get(), at, &message, &len, err), err);
        refused |= severity == AMT_SEVERITY_ERROR;
        std::cout << (severity == AMT_SEVERITY_ERROR ? "error: " : "note: ") << std::string_view(message, len) << '\n';
    }
    std::cout << (refused ? "machines will refuse it" : "nothing stands against it") << '\n';
    return refused;
}

int main(int argc, char **argv) { return example(argc, argv, "preflight PFX DNS-SUFFIX", preflight); }
