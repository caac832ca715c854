/* Files for USB sticks, pre-shared pairs, and what firmware versions can do. */
#include "check.h"

static const char PID[] = "AMT1SET7", PPS[] = "CAT0AGDOYBLF6HCDQR61IQXQVORVW8VD";

/* Whether the document has `part` in it; frees it. */
static int has(amt_document *document, const char *part)
{
    amt_error *err = NULL;
    const char *data;
    char *text;
    size_t len;
    int found;
    OK(amt_document_json(document, &data, &len, &err));
    text = malloc(len + 1);
    CHECK(text != NULL);
    memcpy(text, data, len);
    text[len] = '\0';
    found = strstr(text, part) != NULL;
    free(text);
    CHECK(amt_document_free(document) == AMT_OK);
    return found;
}

static amt_document *described(const amt_setupbin *file, uint32_t reveal)
{
    amt_error *err = NULL;
    amt_document *document = NULL;
    OK(amt_setupbin_json(file, reveal, &document, &err));
    return document;
}

static void a_file_is_written_read_and_rebuilt(void)
{
    static const char wanted[] = "{\"records\": [{\"entries\": {\"current_password\": \"admin\", \"new_password\": "
                                 "\"Abcd123!\", \"pid\": \"AMT1SET7\", \"pps\": "
                                 "\"CAT0AGDOYBLF6HCDQR61IQXQVORVW8VD\"}}]}";
    amt_error *err = NULL;
    amt_setupbin *file = NULL, *read = NULL, *again = NULL;
    amt_document *document;
    const uint8_t *bytes, *others;
    const char *json;
    size_t len, json_len, others_len;

    OK(amt_setupbin_from_json(wanted, strlen(wanted), &file, &err));
    OK(amt_setupbin_bytes(file, &bytes, &len, &err));
    CHECK(len == 1024);
    OK(amt_setupbin_parse(bytes, len, &read, &err));
    CHECK(has(described(read, 0), "\"version\":\"2.1\""));
    CHECK(!has(described(read, 0), "Abcd123!") && !has(described(read, 0), PPS));
    CHECK(has(described(read, 1), "Abcd123!") && has(described(read, 1), PPS));
    FAILS(amt_setupbin_json(read, 2, &document, &err), AMT_E_INVALID_ARGUMENT);

    document = described(read, 1);
    OK(amt_document_json(document, &json, &json_len, &err));
    OK(amt_setupbin_from_json(json, json_len, &again, &err));
    CHECK(amt_setupbin_free(read) == AMT_OK); /* the document stays */
    CHECK(amt_document_free(document) == AMT_OK);
    OK(amt_setupbin_bytes(again, &others, &others_len, &err));
    CHECK(others_len == len && memcmp(others, bytes, len) == 0);
    CHECK(amt_setupbin_free(file) == AMT_OK);
    CHECK(amt_setupbin_free(again) == AMT_OK);

    FAILS(amt_setupbin_from_json("{}", 2, &file, &err), AMT_E_SETUP_BIN);
    FAILS(amt_setupbin_from_json("{\xff}", 3, &file, &err), AMT_E_NOT_UTF8);
    CHECK(file == NULL);
    OK(amt_setupbin_variables(&document, &err));
    CHECK(has(document, "\"name\":\"new_password\""));
}

static void what_is_wrong_with_a_file_is_listed(void)
{
    static const char odd[] = "{\"version\": \"2.1\", \"records\": [{\"entries\": {\"current_password\": \"x\", \"pid\": \"no\"}}]}";
    amt_error *err = NULL;
    amt_setupbin *file = NULL;
    amt_findings *findings = NULL;
    const uint8_t *bytes;
    const char *code;
    size_t len, count;
    uint32_t severity;

    OK(amt_setupbin_from_json(odd, strlen(odd), &file, &err));
    OK(amt_setupbin_bytes(file, &bytes, &len, &err));
    OK(amt_setupbin_lint(bytes, len, &findings, &err));
    OK(amt_findings_count(findings, &count, &err));
    CHECK(count >= 2);
    OK(amt_findings_code(findings, 0, &code, &len, &err));
    CHECK(len > 3);
    CHECK(amt_findings_free(findings) == AMT_OK);
    CHECK(amt_setupbin_free(file) == AMT_OK);

    OK(amt_setupbin_lint((const uint8_t *)odd, strlen(odd), &findings, &err)); /* no setup.bin at all */
    OK(amt_findings_count(findings, &count, &err));
    CHECK(count == 1);
    OK(amt_findings_severity(findings, 0, &severity, &err));
    CHECK(severity == AMT_SEVERITY_ERROR);
    CHECK(amt_findings_free(findings) == AMT_OK);
    FAILS(amt_setupbin_parse((const uint8_t *)odd, strlen(odd), &file, &err), AMT_E_SETUP_BIN);
    CHECK(file == NULL);
}

static void pairs_are_made_and_checked(void)
{
    static const char typed[] = "amt1-set7", dashed[] = "CAT0-AGDO-YBLF-6HCD-QR61-IQXQ-VORV-W8VD";
    amt_error *err = NULL;
    amt_psk *pair = NULL, *other = NULL;
    const char *pid, *pps, *text;
    size_t pid_len, pps_len, len;

    OK(amt_psk_parse(typed, strlen(typed), dashed, strlen(dashed), AMT_PSK_TYPED, &pair, &err));
    OK(amt_psk_pid(pair, 0, &text, &len, &err));
    CHECK(check_text(text, len, PID));
    OK(amt_psk_pid(pair, 1, &text, &len, &err));
    CHECK(check_text(text, len, "AMT1-SET7"));
    OK(amt_psk_pps(pair, 0, &text, &len, &err));
    CHECK(check_text(text, len, PPS));
    OK(amt_psk_pps(pair, 1, &text, &len, &err));
    CHECK(check_text(text, len, dashed));
    FAILS(amt_psk_pps(pair, 2, &text, &len, &err), AMT_E_INVALID_ARGUMENT);
    CHECK(amt_psk_free(pair) == AMT_OK);
    FAILS(amt_psk_parse(typed, strlen(typed), dashed, strlen(dashed), AMT_PSK_STRICT, &pair, &err), AMT_E_PSK_INVALID);
    FAILS(amt_psk_parse(PID, 8, PPS, 31, AMT_PSK_STRICT, &pair, &err), AMT_E_PSK_INVALID);
    FAILS(amt_psk_parse(PID, 8, PPS, 32, 9, &pair, &err), AMT_E_INVALID_ARGUMENT);
    CHECK(pair == NULL);

    OK(amt_psk_generate(NULL, 0, &pair, &err));
    OK(amt_psk_generate(PID, strlen(PID), &other, &err));
    OK(amt_psk_pid(pair, 0, &pid, &pid_len, &err));
    OK(amt_psk_pps(pair, 0, &pps, &pps_len, &err));
    CHECK(pid_len == 8 && pps_len == 32);
    OK(amt_psk_pps(other, 0, &text, &len, &err));
    CHECK(len == 32 && memcmp(text, pps, 32) != 0);
    CHECK(amt_psk_free(other) == AMT_OK);
    OK(amt_psk_parse(pid, pid_len, pps, pps_len, AMT_PSK_STRICT, &other, &err));
    CHECK(amt_psk_free(pair) == AMT_OK);
    CHECK(amt_psk_free(other) == AMT_OK);
    FAILS(amt_psk_generate("AMT1SET8", 8, &pair, &err), AMT_E_PSK_INVALID);
}

static void versions_tell_what_they_can(void)
{
    amt_error *err = NULL;
    amt_document *document = NULL;
    OK(amt_capabilities("16.1", 4, &document, &err));
    CHECK(has(document, "\"psk\":false"));
    OK(amt_capabilities("9.5.61", 6, &document, &err));
    CHECK(has(document, "\"psk\":true"));
    FAILS(amt_capabilities("new", 3, &document, &err), AMT_E_PARSE_TEXT);
    CHECK(document == NULL);
}

int main(void)
{
    a_file_is_written_read_and_rebuilt();
    what_is_wrong_with_a_file_is_listed();
    pairs_are_made_and_checked();
    versions_tell_what_they_can();
    return 0;
}
