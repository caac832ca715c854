using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Reflection;
using System.Runtime.InteropServices;
using System.Text.RegularExpressions;
using Amt;

namespace AmtTests
{
    // The declarations of Native.cs against amt.h and the committed list of symbols: a wrong one corrupts memory without a word.
    internal static class DeclarationTests
    {
        private const BindingFlags Static = BindingFlags.Static | BindingFlags.NonPublic | BindingFlags.Public;

        internal static void All()
        {
            Program.Test("declarations: every symbol is declared, or listed as not", EverySymbol);
            Program.Test("declarations: names, parameters and types are those of amt.h", LikeTheHeader);
            Program.Test("declarations: every constant is the header's", Constants);
            Program.Test("declarations: codes are those of the registry", Codes);
            Program.Test("declarations: a wrong one would be noticed", WrongOnes);
            Program.Test("declarations: the library loaded is the header's", Loaded);
        }

        private static string Header
        {
            get { return File.ReadAllText(Path.Combine(Check.Root, "amt-ffi/include/amt.h")); }
        }

        private static Dictionary<string, MethodInfo> Declared
        {
            get
            {
                return typeof(Native).GetMethods(Static)
                    .Where(method => (method.Attributes & MethodAttributes.PinvokeImpl) != 0)
                    .ToDictionary(method => method.Name);
            }
        }

        private static void EverySymbol()
        {
            string[] symbols = File.ReadAllLines(Path.Combine(Check.Root, "abi/symbols.txt"));
            string[] left = File.ReadAllLines(Path.Combine(Check.Root, "bindings/dotnet/tests/not-declared.txt"))
                .Where(line => line.Length > 0 && line[0] != '#').Select(line => line.Split(' ')[0]).ToArray();
            Check.True(symbols.Length > 50, "symbols.txt was read");
            var declared = Declared;
            foreach (string symbol in symbols)
            {
                bool listed = left.Any(pattern => Matches(pattern, symbol));
                Check.True(declared.ContainsKey(symbol) || listed, symbol + " is declared or listed in not-declared.txt");
                Check.True(!(declared.ContainsKey(symbol) && listed), symbol + " is either declared or listed, not both");
            }
            foreach (string name in declared.Keys)
            {
                Check.True(symbols.Contains(name), name + " is a symbol of the library");
            }
            foreach (string pattern in left)
            {
                Check.True(symbols.Any(symbol => Matches(pattern, symbol)), pattern + " in not-declared.txt names a symbol");
            }
        }

        private static bool Matches(string pattern, string symbol)
        {
            return pattern.EndsWith("*")
                ? symbol.StartsWith(pattern.Substring(0, pattern.Length - 1), StringComparison.Ordinal)
                : symbol == pattern;
        }

        private static void LikeTheHeader()
        {
            var functions = Functions(Header);
            var wrong = Declared.Values.Select(method => Difference(method, functions)).Where(text => text != null).ToList();
            Check.True(wrong.Count == 0, string.Join("; ", wrong));
        }

        // Functions of a header: result, then the types of the parameters.
        private static Dictionary<string, string[]> Functions(string header)
        {
            var functions = new Dictionary<string, string[]>();
            string code = Regex.Replace(header, @"/\*.*?\*/", "", RegexOptions.Singleline);
            foreach (Match match in Regex.Matches(code, @"^(\w+) (amt_\w+)\(([^)]*)\);", RegexOptions.Multiline))
            {
                var types = new List<string> { match.Groups[1].Value };
                foreach (string parameter in match.Groups[3].Value.Split(','))
                {
                    if (parameter.Trim() != "void")
                    {
                        types.Add(Regex.Match(parameter.Trim(), @"^(.*?)\s*\w+$", RegexOptions.Singleline).Groups[1].Value);
                    }
                }
                functions.Add(match.Groups[2].Value, types.ToArray());
            }
            return functions;
        }

        // Null if the declaration is the header's.
        private static string Difference(MethodInfo method, Dictionary<string, string[]> functions)
        {
            string[] types;
            if (!functions.TryGetValue(method.Name, out types))
            {
                return method.Name + " is not in the header";
            }
            ParameterInfo[] parameters = method.GetParameters();
            if (parameters.Length != types.Length - 1)
            {
                return method.Name + " has " + parameters.Length + " parameters, not " + (types.Length - 1);
            }
            if (method.ReturnType != typeof(uint))
            {
                return method.Name + " returns " + method.ReturnType;
            }
            var import = (DllImportAttribute)Attribute.GetCustomAttribute(method, typeof(DllImportAttribute));
            if (import == null || import.CallingConvention != CallingConvention.Cdecl || import.Value != Native.Library)
            {
                return method.Name + " is not imported as a C function of the library";
            }
            for (int index = 0; index < parameters.Length; index++)
            {
                bool free = method.Name.EndsWith("_free");
                string expected = free ? "IntPtr" : TypeFor(types[index + 1]);
                Type type = parameters[index].ParameterType;
                string actual = type.IsByRef ? "out " + type.GetElementType().Name : type.Name;
                if (actual != expected || type.IsByRef && !parameters[index].IsOut)
                {
                    return method.Name + ": parameter " + parameters[index].Name + " is " + actual + ", not " + expected;
                }
            }
            return null;
        }

        private static string TypeFor(string c)
        {
            switch (c)
            {
                case "uint16_t": return "UInt16";
                case "uint32_t": return "UInt32";
                case "uint32_t *": return "out UInt32";
                case "uint64_t": return "UInt64";
                case "uint64_t *": return "out UInt64";
                case "int64_t": return "Int64";
                case "size_t": return "UIntPtr";
                case "void *": return "IntPtr";
                case "amt_log_sink": return "LogSink";
                case "size_t *": return "out UIntPtr";
                case "const uint8_t *":
                case "const char *": return "Byte[]";
                case "const uint8_t **":
                case "const char **":
                case "amt_error **": return "out IntPtr";
            }
            Match handle = Regex.Match(c, @"^(?:const )?amt_(\w)(\w*) (\*\*?)$");
            if (!handle.Success)
            {
                return "(no type known for " + c + ")";
            }
            string name = handle.Groups[1].Value.ToUpperInvariant() + handle.Groups[2].Value + "Handle";
            return (handle.Groups[3].Length == 2 ? "out " : "") + name;
        }

        private static void Constants()
        {
            Check.Equal(Defined("AMT_ABI_VERSION"), Native.AbiVersion, "the binary interface");
            SameAs("AMT_HELLO_", typeof(HelloKind));
            SameAs("AMT_SEVERITY_", typeof(Severity));
            SameAs("AMT_LEGACY_TLS_", typeof(LegacyTls));
            SameAs("AMT_EVENT_", typeof(ProvisioningEventKind));
            SameAs("AMT_DEVICE_", typeof(DeviceStatusKind));
            SameAs("AMT_PSK_", typeof(PskForm));
            SameAs("AMT_ROUTE_", typeof(LocalRoute));
            SameAs("AMT_MODE_", typeof(ControlMode));
            SameAs("AMT_LOG_", typeof(LogLevel));
            SameAs("AMT_UNPROVISION_", typeof(UnprovisionExtent));
            SameAs("AMT_POWER_", typeof(PowerAction));
            SameAs("AMT_BOOT_", typeof(BootSource));
            foreach (BootThen then in Enum.GetValues(typeof(BootThen)))
            {
                string prefix = then == BootThen.Start || then == BootThen.Nothing ? "AMT_THEN_" : "AMT_POWER_";
                Check.Equal(Defined(prefix + then.ToString().ToUpperInvariant()), (uint)then, "BootThen." + then);
            }
            Same(typeof(Device), "AMT_UPKEEP_", "DryRun");
            Same(typeof(LocalMachine), "AMT_ACTIVATE_", "Enable", "Secure");
            Same(typeof(Certificate), "AMT_PREFLIGHT_", "NoSuffix", "Wireless");
        }

        // Constants of a class that are no enumeration.
        private static void Same(Type type, string prefix, params string[] flags)
        {
            foreach (string flag in flags)
            {
                FieldInfo field = type.GetField(flag, Static);
                string name = prefix + Regex.Replace(flag, "(?<=[a-z])([A-Z])", "_$1").ToUpperInvariant();
                Check.Equal(Defined(name), (uint)field.GetRawConstantValue(), name);
            }
        }

        private static void SameAs(string prefix, Type type)
        {
            foreach (object value in Enum.GetValues(type))
            {
                string name = prefix + Regex.Replace(value.ToString(), "(?<=[a-z])([A-Z])", "_$1").ToUpperInvariant();
                Check.Equal(Defined(name), (uint)value, name);
            }
        }

        private static uint Defined(string name)
        {
            Match match = Regex.Match(Header, "^#define " + name + @" (\d+)$", RegexOptions.Multiline);
            Check.True(match.Success, name + " is in the header");
            return uint.Parse(match.Groups[1].Value);
        }

        private static void Codes()
        {
            string[] lines = File.ReadAllLines(Path.Combine(Check.Root, "abi/codes.txt"));
            int count = 0;
            foreach (string[] words in lines.Select(line => line.Split(' ')).Where(words => words[0] != "0"))
            {
                object code = Enum.ToObject(typeof(AmtCode), uint.Parse(words[0]));
                string name = words[1].Replace("_", "");
                Check.True(string.Equals(name, code.ToString(), StringComparison.OrdinalIgnoreCase), words[1] + " is " + code);
                count++;
            }
            Check.Equal(count, Enum.GetValues(typeof(AmtCode)).Length, "the number of codes");
        }

        private static void WrongOnes()
        {
            MethodInfo retry = Declared["amt_hello_retry"];
            Check.True(Difference(retry, Functions(Header)) == null, "the right one is right");
            string good = "amt_status amt_hello_retry(const amt_hello *hello,\n  uint32_t *retry,\n  amt_error **err);";
            Check.True(Difference(retry, Functions(good)) == null, "the same by hand");
            Check.True(Difference(retry, Functions(good.Replace("uint32_t *", "size_t *"))) != null, "another type");
            Check.True(Difference(retry, Functions(good.Replace("amt_hello *", "amt_job *"))) != null, "another handle");
            Check.True(Difference(retry, Functions(good.Replace("retry,", "retry, uint32_t more,"))) != null, "one parameter more");
            Check.True(Difference(retry, Functions(good.Replace("hello_retry", "hello_again"))) != null, "another name");
        }

        private static void Loaded()
        {
            Check.Equal((int)Native.AbiVersion, Library.AbiVersion, "the binary interface");
            uint number = Defined("AMT_VERSION_NUMBER");
            Check.Equal(new Version((int)(number >> 16), (int)(number >> 8 & 255), (int)(number & 255)), Library.Version, "the version");
        }
    }
}
