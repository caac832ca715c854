/* Reads a provisioning certificate and asks whether it fits a machine. */
#include "check.h"

#define PASSWORD "Provision.1"
#define SUFFIX "example.com"

/* The findings must be exactly these codes. */
static void expect(amt_findings *findings, size_t count, const char *const *codes)
{
    amt_error *err = NULL;
    size_t have, i, len;
    const char *text;
    uint32_t severity;
    int differs;

    OK(amt_findings_count(findings, &have, &err));
    differs = have != count;
    for (i = 0; i < have; i++) {
        OK(amt_findings_code(findings, i, &text, &len, &err));
        if (i >= count || !check_text(text, len, codes[i])) {
            fprintf(stderr, "finding %zu is %.*s\n", i, (int)len, text);
            differs = 1;
        }
        OK(amt_findings_severity(findings, i, &severity, &err));
        CHECK(severity >= AMT_SEVERITY_INFO && severity <= AMT_SEVERITY_ERROR);
        OK(amt_findings_field(findings, i, &text, &len, &err));
        CHECK(len > 0);
        OK(amt_findings_message(findings, i, &text, &len, &err));
        CHECK(len > 0);
        OK(amt_findings_hint(findings, i, &text, &len, &err));
        CHECK(len > 0);
    }
    FAILS(amt_findings_code(findings, have, &text, &len, &err), AMT_E_INVALID_ARGUMENT);
    CHECK(!differs);
    CHECK(amt_findings_free(findings) == AMT_OK);
}

/* A hello that lists one SHA-256 root, which is no certificate's. */
static amt_hello *stranger(void)
{
    uint8_t wire[25 + 2 + 32] = {0, 0, 3};
    amt_hello *hello = NULL;
    wire[24] = 1;
    wire[25] = 2;
    wire[26] = 32;
    CHECK(amt_hello_parse(wire, sizeof wire, &hello, NULL) == AMT_OK);
    return hello;
}

static void findings_follow_what_is_known_of_the_machine(const amt_certificate *certificate)
{
    amt_error *err = NULL;
    amt_findings *findings = NULL;
    amt_hello *hello = stranger();

    OK(amt_certificate_preflight(certificate, NULL, SUFFIX, strlen(SUFFIX), "16.0", 4, 0, &findings, &err));
    expect(findings, 0, NULL);
    OK(amt_certificate_preflight(certificate, NULL, NULL, 0, NULL, 0, 0, &findings, &err));
    expect(findings, 0, NULL);
    OK(amt_certificate_preflight(certificate, hello, "other.org", 9, NULL, 0, 0, &findings, &err));
    expect(findings, 2, (const char *const[]){"ROOT-NOHASH", "CN-SUFFIX"});
    OK(amt_certificate_preflight(certificate, NULL, NULL, 0, NULL, 0, AMT_PREFLIGHT_NO_SUFFIX, &findings, &err));
    expect(findings, 1, (const char *const[]){"NO-SUFFIX"});

    FAILS(amt_certificate_preflight(certificate, NULL, SUFFIX, strlen(SUFFIX), NULL, 0, AMT_PREFLIGHT_NO_SUFFIX,
                                    &findings, &err),
          AMT_E_INVALID_ARGUMENT);
    FAILS(amt_certificate_preflight(certificate, NULL, NULL, 0, NULL, 0, 1u << 31, &findings, &err),
          AMT_E_INVALID_ARGUMENT);
    FAILS(amt_certificate_preflight(certificate, NULL, "\xff", 1, NULL, 0, 0, &findings, &err), AMT_E_NOT_UTF8);
    FAILS(amt_certificate_preflight(certificate, NULL, NULL, 0, "new", 3, 0, &findings, &err), AMT_E_PARSE_TEXT);
    FAILS(amt_certificate_preflight((const amt_certificate *)hello, NULL, NULL, 0, NULL, 0, 0, &findings, &err),
          AMT_E_BAD_HANDLE);
    CHECK(findings == NULL);
    CHECK(amt_hello_free(hello) == AMT_OK);
}

int main(void)
{
    amt_error *err = NULL;
    amt_certificate *certificate = NULL;
    amt_findings *findings = NULL;
    size_t pfx_len, chain_len, key_len;
    uint8_t *pfx = check_file("chain.pfx", &pfx_len);
    uint8_t *chain = check_file("chain.pem", &chain_len);
    uint8_t *key = check_file("key.pem", &key_len);

    OK(amt_certificate_parse_pfx(pfx, pfx_len, PASSWORD, strlen(PASSWORD), &certificate, &err));
    findings_follow_what_is_known_of_the_machine(certificate);
    CHECK(amt_certificate_free(certificate) == AMT_OK);

    OK(amt_certificate_parse_pem(chain, chain_len, key, key_len, NULL, 0, &certificate, &err));
    findings_follow_what_is_known_of_the_machine(certificate);
    CHECK(amt_certificate_free(certificate) == AMT_OK);

    OK(amt_certificate_parse_pem(chain, chain_len, NULL, 0, NULL, 0, &certificate, &err));
    OK(amt_certificate_preflight(certificate, NULL, NULL, 0, NULL, 0, 0, &findings, &err));
    expect(findings, 1, (const char *const[]){"CHAIN-NOKEY"});
    CHECK(amt_certificate_free(certificate) == AMT_OK);

    FAILS(amt_certificate_parse_pfx(pfx, pfx_len, "wrong", 5, &certificate, &err), AMT_E_PFX_OPEN);
    FAILS(amt_certificate_parse_pfx(chain, chain_len, "", 0, &certificate, &err), AMT_E_CERTIFICATE_PARSE);
    FAILS(amt_certificate_parse_pem(pfx, pfx_len, NULL, 0, NULL, 0, &certificate, &err), AMT_E_CERTIFICATE_PARSE);
    CHECK(certificate == NULL);
    free(pfx);
    free(chain);
    free(key);
    return 0;
}
